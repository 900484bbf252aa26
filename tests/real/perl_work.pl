# Loads modules, names the point's path, then works with arguments that it reads again.
use strict;
use warnings;
use POSIX qw(floor strftime);
use Storable qw(freeze thaw);
use Data::Dumper;
use List::Util qw(sum);

-e "/snap/here";

open(my $file, "<", "/proc/self/cmdline") or die "cmdline: $!";
my @arguments = split(/\0/, do { local $/; <$file> }, -1);
close($file);
pop @arguments;
splice(@arguments, 0, 2);

$Data::Dumper::Sortkeys = 1;
my $copy = thaw(freeze({ list => [1 .. 5], words => \@arguments, nested => { pi => 3.25 } }));
print Dumper($copy);
print floor(-2.5), " ", sum(1 .. 100), " ", strftime("%Y-%m-%d", gmtime(86400 * 365)), "\n";
my $text = join(",", map { sprintf("%x", $_ * 7919) } 1 .. 2000);
my %count;
$count{$_}++ for split(//, $text);
print join(" ", map { "$_$count{$_}" } sort keys %count), "\n";
print `echo from a child`;
print "%ENV has $ENV{LC_ALL}\n";
