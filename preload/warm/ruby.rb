# Loaded by ruby before a program (-r): watches ARGV and ENV up to the program's first look at its arguments, which is the
# point `warm`; python.py beside it tells of the marks. After a start both are the new ones, and the random numbers too. Without
# snaptrace nothing is changed.
class << (SNAP_WARM = Object.new)
  MARK = '/snap/warm'.freeze
  READS = %i[[] fetch key? include? has_key? member? values_at assoc].freeze

  def words
    File.binread('/proc/self/cmdline').split("\0", -1)[0...-1]
  end

  def begin!
    @quick = ENV.delete('SNAP_WARM') != 'full'
    @given = ARGV.dup
    %w[SNAP_WARM_LOAD SNAP_WARM_TRIES].each { |name| ENV.delete(name) }
    @before = ENV.to_h
    @fixed = words.size - @given.size
    ARGV.clear
    @names = {}
    @all = false
    @seed = Random.seed
    watch_environment
    watch_arguments
    File.exist?(MARK + '/begin')
  end

  # Only what a singleton adds, so that it can be taken away again.
  def watch_arguments
    helper = self
    @argument_methods = (Array.public_instance_methods(false) + %i[each_slice each_with_index to_set]).uniq -
                        %i[object_id hash frozen? freeze]
    @argument_methods.each do |name|
      ARGV.define_singleton_method(name) do |*words, &block|
        helper.look
        method(name).unbind.bind(self).call(*words, &block)
      end
    end
  end

  def watch_environment
    helper = self
    @environment = {}
    (ENV.singleton_methods - %i[[]= store delete inspect]).each do |name|
      original = ENV.method(name)
      @environment[name] = original
      ENV.define_singleton_method(name) do |*words, **named, &block|
        helper.note(READS.include?(name) ? words : nil)
        original.call(*words, **named, &block)
      end
    end
  end

  def note(names)
    return @all = true if names.nil?

    names.each { |name| @names[name] = true if name.is_a?(String) }
  end

  def look
    return if @looked

    @looked = true
    @argument_methods.each { |name| ARGV.singleton_class.send(:remove_method, name) }
    @environment.each { |name, original| ENV.define_singleton_method(name, &original) }
    (@all ? ['*'] : @names.keys).each { |name| File.exist?("#{MARK}/variable/#{name}") unless name.include?('/') }
    $stdout.flush
    $stderr.flush
    GC.start
    started = File.exist?(MARK)
    ARGV.replace(started ? start : @given)
  end

  def start
    given = File.binread('/proc/self/environ').split("\0").map { |word| word.split('=', 2) }.select { |pair| pair.size == 2 }
    given = given.reverse.to_h
    own = ENV.to_h # what the program has changed itself
    given.merge!(own.select { |name, value| @before[name] != value }.to_h { |name, value| [name.b, value.b] })
    (@before.keys - own.keys).each { |name| given.delete(name.b) }
    encoding = Encoding.find('locale')
    ENV.keys.each { |name| ENV.delete(name) unless given.key?(name.b) }
    given.each do |name, value|
      ENV[name] = value unless ENV[name]&.b == value
    end
    Random.srand if Random.seed == @seed
    $stdout.sync = true if $stdout.tty? && !$stdout.sync
    leave_quickly if @quick
    words[@fixed..].map { |word| as_given(word, encoding) }
  end

  # As ruby makes its arguments (rb_external_str_new_cstr() of string.c).
  def as_given(word, encoding)
    word = word.dup.force_encoding(encoding)
    encoding == Encoding::US_ASCII && !word.ascii_only? ? word.force_encoding(Encoding::BINARY) : word
  end

  # Registered as the program's first: so it is the last to run.
  def leave_quickly
    @leaves = true
  end

  def open_for_writing?
    Dir.children('/proc/self/fd').any? do |name|
      next false if name.to_i <= 2

      File.read("/proc/self/fdinfo/#{name}")[/^flags:\s*(\d+)/, 1].to_i(8) & 3 != 0
    rescue SystemCallError
      false
    end
  end

  def leave
    error = $!
    return unless @leaves && (error.nil? || error.is_a?(SystemExit))

    $stdout.flush
    $stderr.flush
    exit!(error ? error.status : 0) unless open_for_writing?
  rescue SystemCallError
    nil
  end
end

if ENV['SNAP_WARM']
  at_exit { SNAP_WARM.leave }
  SNAP_WARM.begin!
end
