# Loaded by perl before a program (-M): watches @ARGV and %ENV up to the program's first look at its arguments, which is the
# point `warm`; python.py beside it tells of the marks. After a start both are the new ones, and the random numbers too. Without
# snaptrace nothing is changed. It loads no module itself, which the program would see in %INC.
package SnapWarm;

my $mark = '/snap/warm';
our ($began, @given, @fixed_words, %names, %before, $all, $is_seeded, $trains, $is_loading, $is_refused, @early);

sub say_mark { return -e "$mark/$_[0]" }

# By sysread: readline would take the place of the handle that the program is about to read, in `while (<>)'.
sub text_of {
	my ($path) = @_;
	my $text = '';
	open(my $file, '<:raw', $path) or return '';
	1 while sysread($file, $text, 1 << 16, length $text);
	close $file;
	return $text;
}

sub words_of {
	my @words = split(/\0/, text_of($_[0]), -1);
	pop @words;
	return @words;
}

sub lines_of { return grep { !m{^open } } split(/\n/, text_of($_[0])) }

# What a module may have set that is not its own.
sub state_now {
	my @set = (@INC, map { "$_=" . ($SIG{$_} // '') } sort keys %SIG);
	return join("\0", @set, select(), $|, $0, $, // '', $\ // '', $/ // '');
}

# Modules that the program loads after its first look at its arguments; one that looks itself, or changes more than
# itself, is left out, and all begins again.
sub load_early {
	my @left_out;
	$is_loading = 1;
	for my $line (@early) {
		my ($file, $places) = split(m{//}, $line, 2);
		next if exists $INC{$file} || grep { -e "$_/$file" } split(/:/, $places // '');
		my $before = state_now();
		say_mark("load/$line");
		$is_refused = 0;
		my $is_loaded = do { local ($@, $_, $!); eval { require $file } };
		push @left_out, $line if !$is_loaded || $is_refused || state_now() ne $before;
	}
	say_mark('load/');
	$is_loading = 0;
	say_mark("drop/$_") for @left_out;
	say_mark('again') if @left_out;
	return;
}

# Of a run that trains: says what is loaded from now on, and in which places it was looked for that were none before.
sub tell_modules {
	my %known = map { $_ => 1 } @INC;
	unshift @INC, sub {
		say_mark(join('//', "module/$_[1]", join(':', grep { !ref && !$known{$_} } @INC)));
		return;
	};
	return;
}

sub look {
	my $last = ${^LAST_FH};
	local ($^W, $!) = (0, $!);
	if ($is_loading) {
		$is_refused = 1;
		die "not before the arguments are looked at\n";
	}
	load_early() if @early;
	my $place = $last && tell($last); # it is that again: perl itself may be about to read
	untie @ARGV;
	untie %ENV;
	for my $name ($all ? '*' : sort keys %names) {
		say_mark("variable/$name") unless $name =~ m{/};
	}
	my $selected = select(STDOUT);
	{ local $| = 1 } # flushes: what was written before the point is not part of every run, and refused
	select($selected);
	my $is_started = -e $mark;
	@ARGV = $is_started ? start() : @given;
	tell_modules() if $trains;
	return;
}

sub start {
	my @words = words_of('/proc/self/cmdline');
	my %now;
	for my $word (words_of('/proc/self/environ')) {
		my ($name, $value) = split(/=/, $word, 2);
		$now{$name} = $value if defined $value && !exists $now{$name};
	}
	for my $name (keys %ENV, keys %before) { # what the program has changed itself
		if (!exists $ENV{$name}) {
			delete $now{$name};
		} elsif (!defined $before{$name} || $before{$name} ne $ENV{$name}) {
			$now{$name} = $ENV{$name};
		}
	}
	%ENV = %now;
	CORE::srand() unless $is_seeded;
	$^T = time if $^T == $began;
	my @arguments = @words[scalar(@fixed_words) .. $#words];
	if (${^UNICODE} & 32 && (!(${^UNICODE} & 64) || ${^UTF8LOCALE})) { # -CA
		utf8::decode($_) for @arguments;
	}
	return @arguments;
}

package SnapWarm::Arguments;

# Each way to an item, or to how many there are, is a look.
sub TIEARRAY { return bless [], shift }
for my $name (qw(FETCH STORE FETCHSIZE STORESIZE EXTEND DELETE EXISTS CLEAR PUSH POP SHIFT UNSHIFT SPLICE)) {
	*{$name} = sub {
		my ($self, @words) = @_;
		SnapWarm::look();
		if ($name eq 'FETCH') { return $ARGV[$words[0]] }
		if ($name eq 'STORE') { return $ARGV[$words[0]] = $words[1] }
		if ($name eq 'FETCHSIZE') { return scalar @ARGV }
		if ($name eq 'STORESIZE') { $#ARGV = $words[0] - 1; return }
		if ($name eq 'DELETE') { return delete $ARGV[$words[0]] }
		if ($name eq 'EXISTS') { return exists $ARGV[$words[0]] }
		if ($name eq 'CLEAR') { @ARGV = (); return }
		if ($name eq 'PUSH') { return push @ARGV, @words }
		if ($name eq 'POP') { return pop @ARGV }
		if ($name eq 'SHIFT') { return shift @ARGV }
		if ($name eq 'UNSHIFT') { return unshift @ARGV, @words }
		if ($name eq 'SPLICE') { return splice @ARGV, $words[0] // 0, $words[1] // @ARGV, @words[2 .. $#words] }
		return;
	};
}
sub UNTIE { return }
sub DESTROY { return }

package SnapWarm::Environment;

sub TIEHASH { return bless { %{ $_[1] } }, $_[0] }

sub FETCH { $SnapWarm::names{ $_[1] } = 1; return $_[0]{ $_[1] } }
sub EXISTS { $SnapWarm::names{ $_[1] } = 1; return exists $_[0]{ $_[1] } }

# Into C's environment too, by the magic that %ENV itself has.
sub change {
	my ($self, $how) = @_;
	$SnapWarm::is_refused = 1; # of a module that is loaded early
	untie %ENV;
	$how->();
	tie %ENV, 'SnapWarm::Environment', {%ENV};
	return;
}
sub STORE { my ($self, $name, $value) = @_; return change($self, sub { $ENV{$name} = $value }) }

sub DELETE {
	my ($self, $name) = @_;
	my $value = $self->{$name};
	$SnapWarm::names{$name} = 1;
	change($self, sub { delete $ENV{$name} });
	return $value;
}
sub CLEAR { my ($self) = @_; $SnapWarm::all = 1; return change($self, sub { %ENV = () }) }
sub FIRSTKEY { $SnapWarm::all = 1; my $reset = keys %{ $_[0] }; return each %{ $_[0] } }
sub NEXTKEY { return each %{ $_[0] } }
sub SCALAR { $SnapWarm::all = 1; return scalar %{ $_[0] } }
sub UNTIE { return }
sub DESTROY { return }

package SnapWarm;

my $own = __FILE__;
(my $directory = $own) =~ s{/[^/]*$}{};
@INC = grep { $_ ne $directory && $_ ne "$directory/" } @INC;
delete $INC{'SnapWarm.pm'};
if (defined(my $how = delete $ENV{SNAP_WARM})) {
	$trains = $how eq 'train';
	@early = lines_of(delete $ENV{SNAP_WARM_LOAD}) if defined $ENV{SNAP_WARM_LOAD};
	delete $ENV{SNAP_WARM_TRIES};
	*CORE::GLOBAL::srand = sub (;$) { $is_seeded = 1; return @_ ? CORE::srand($_[0]) : CORE::srand() };
	($began, @given) = ($^T, @ARGV);
	my @words = words_of('/proc/self/cmdline');
	@fixed_words = @words[0 .. $#words - @given];
	%before = %ENV;
	@ARGV = ();
	tie @ARGV, 'SnapWarm::Arguments';
	tie %ENV, 'SnapWarm::Environment', {%before};
	say_mark('begin');
	my @are_terminals = (-t STDIN, -t STDOUT); # perl has looked, and buffers by it: so they are inputs
}

1;
