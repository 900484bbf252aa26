# Loaded by ruby before a program (-r): watches ARGV and ENV up to the program's first look at its arguments, which is the
# point `warm`; python.py beside it tells of the marks. After a start both are the new ones, and the random numbers too. Without
# snaptrace nothing is changed.

class << (SNAP_WARM = Object.new)
  # What a run that trained has loaded after its first look at the arguments is compiled before it, and executed when the program
  # asks for it: so nothing happens sooner than it would, and only reading and compiling are saved.
  class Compiled
    SEQUENCE = RubyVM::InstructionSequence
    LOAD = Kernel.method(:load)

    def self.say(path)
      File.exist?("/snap/warm/module/rb #{path}")
    end

    # Of a run that trains: tells each file that is required from now on; what is loaded by its name is the user's.
    def self.tell
      return if SEQUENCE.respond_to?(:load_iseq)

      helper = self
      SEQUENCE.define_singleton_method(:load_iseq) do |path|
        helper.say(path) unless caller_locations(1, 1)&.first&.base_label == 'load'
        nil
      end
    end

    def initialize(list)
      @files = {}
      @paths = list ? File.binread(list).lines(chomp: true).map { |line| line.delete_prefix('rb ') } : []
      encoding = Encoding.find('filesystem')
      @paths.each { |path| path.force_encoding(encoding) }
    end

    def compile
      return if @paths.empty? || SEQUENCE.respond_to?(:load_iseq) || Warning.method(:warn).source_location

      @verbose = $VERBOSE
      @options = SEQUENCE.compile_option
      @paths.each do |path|
        File.exist?("/snap/warm/load/rb #{path}")
        sequence = compiled(path)
        @files[path] = [sequence, stamp(path)] if sequence
      end
      File.exist?('/snap/warm/load/')
    end

    # The program's own requests are answered from now on.
    def answer
      return if @files.empty? || SEQUENCE.respond_to?(:load_iseq)

      helper = self
      SEQUENCE.define_singleton_method(:load_iseq) { |path| helper.take(path) }
    end

    # Once only: a sequence remembers what it has done (/o).
    def take(path)
      sequence, stamp = @files.delete(path)
      SEQUENCE.singleton_class.send(:remove_method, :load_iseq) if @files.empty?
      sequence if sequence && sequence.path.encoding == path.encoding && stamp == stamp(path) && is_as_it_was
    end

    private

    def is_as_it_was
      $VERBOSE.equal?(@verbose) && SEQUENCE.compile_option == @options &&
        !(defined?(Coverage) && (!Coverage.respond_to?(:running?) || Coverage.running?))
    end

    def stamp(path)
      status = File.stat(path)
      [status.ino, status.size, status.mtime, status.ctime]
    rescue SystemCallError
      nil
    end

    # As load() compiles it, but thrown out before it is executed. One that warns is left alone: the warning is the start's own.
    def compiled(path)
      found = nil
      trace = TracePoint.new(:script_compiled) do |event|
        found = event.instruction_sequence
        throw self
      end
      stream = $stderr
      told = false
      $stderr = Object.new.tap { |object| object.define_singleton_method(:write) { |*words| told = words } }
      catch(self) { trace.enable { LOAD.call(path) } }
      told ? nil : found
    rescue ScriptError, StandardError
      nil
    ensure
      $stderr = stream
    end
  end

  MARK = '/snap/warm'.freeze
  READS = %i[[] fetch key? include? has_key? member? values_at assoc].freeze

  def words
    File.binread('/proc/self/cmdline').split("\0", -1)[0...-1]
  end

  def begin!
    mode = ENV.delete('SNAP_WARM')
    @quick = mode != 'full'
    @trains = mode == 'train'
    @compiled = Compiled.new(ENV['SNAP_WARM_LOAD'])
    @given = ARGV.dup
    %w[SNAP_WARM_LOAD SNAP_WARM_TRIES].each { |name| ENV.delete(name) }
    @before = ENV.to_h
    @fixed = words.size - @given.size
    ARGV.clear
    @names = {}
    @all = false
    @seed = Random.seed
    silently do
      watch_environment
      watch_arguments
    end
    File.exist?(MARK + '/begin')
  end

  # Whoever mentions ARGV may look at it in a way that calls no method (*ARGV, first, *rest = ARGV): so the name is taken
  # away, and asking for it is the look. optparse mentions it where it's loaded, and then calls its methods, as those who
  # have it as $* are taken to do: only what a singleton adds, so that it can be taken away again.
  def watch_arguments
    helper = self
    @array = ARGV
    missing = @missing = Module.instance_method(:const_missing)
    Object.send(:remove_const, :ARGV)
    Module.define_method(:const_missing) do |name|
      name == :ARGV && helper.array ? helper.mention(caller_locations(1, 1).first) : missing.bind(self).call(name)
    end
    @argument_methods = (Array.public_instance_methods(false) + Enumerable.public_instance_methods + %i[dup clone]).uniq -
                        %i[object_id hash frozen? freeze]
    @argument_methods.each do |name|
      @array.define_singleton_method(name) do |*words, &block|
        helper.look
        method(name).unbind.bind(self).call(*words, &block)
      end
    end
  end

  def silently
    verbose = $VERBOSE
    $VERBOSE = nil
    yield
  ensure
    $VERBOSE = verbose
  end

  attr_reader :array

  def mention(location)
    array = @array
    look unless location && File.basename(location.path) == 'optparse.rb'
    array
  end

  def unwatch_arguments
    @argument_methods.each { |name| @array.singleton_class.send(:remove_method, name) }
    Module.define_method(:const_missing, @missing)
    Object.const_set(:ARGV, @array)
    @array = nil
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
    silently do
      unwatch_arguments
      @environment.each { |name, original| ENV.define_singleton_method(name, &original) }
    end
    (@all ? ['*'] : @names.keys).each { |name| File.exist?("#{MARK}/variable/#{name}") unless name.include?('/') }
    @compiled.compile
    $stdout.flush
    $stderr.flush
    GC.start
    started = File.exist?(MARK)
    Compiled.tell if @trains && !started
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
    @compiled.answer
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
