package Test::Plum::Spin;

# A protocol as a Promela model of t/model, checked by spin: what it promises
# holds in every order of steps and faults, and where a rule of it is taken
# out, or broken, it does not.

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Spec;
use File::Temp qw(tempdir);
use Test::More;

our @EXPORT_OK = qw(model holds found $NEVER $FOREVER);

our $NEVER = 'assertion violated';
our $FOREVER = 'acceptance cycle';

# megabytes, of which a quarter is used
my @CC = qw(cc -w -DMEMLIM=900);
my %CC = (
    safety => [qw(-DSAFETY -DNOCLAIM)],
    liveness => [qw(-DNFAIR=3)],
);
my %PAN = (
    safety => [],
    liveness => [qw(-a -f)],                # weakly fair cycles
);

my ($model, $process);


# which model, and a process of it all of whose steps must be taken

sub model {
    my ($name, $whose) = @_;

    for my $tool (qw(spin cc)) {
        plan(skip_all => "no $tool")
            if !grep { -x "$_/$tool" } File::Spec->path;
    }

    $model = File::Spec->rel2abs(
        dirname(__FILE__) . "/../../../model/$name.pml");
    $process = $whose;

    chdir tempdir(CLEANUP => 1) or die "chdir: $!";
    return;
}


sub holds {
    my ($name, $kind, @switches) = @_;

    my $said = check($kind, @switches);

    like($said, qr/errors: 0$/m, $name) or diag($said);
    unlike($said, qr/not completed|max search depth|out of memory/,
        'all states were seen');

    # or what was checked might not be what was meant
    like($said, qr/in proctype $process\n\s+\(0 of/, 'every step was taken')
        if $kind eq 'safety';

    my ($states) = $said =~ /^\s*(\d+) states, stored/m;
    my ($elapsed) = $said =~ /elapsed time ([\d.]+)/;

    note("@switches: $states states, $elapsed s");
}


sub found {
    my ($name, $kind, $error, @switches) = @_;

    my $said = check($kind, @switches);

    like($said, qr/^pan:1: $error/m, "found: $name") or diag($said);
}


sub check {
    my ($kind, @switches) = @_;

    # to optimize takes longer than a search that is not the longest
    my $optimize = "$kind @switches" eq 'safety FAULTS=3' ? '-O1' : '-O0';

    unlink glob 'pan*';

    my $said = run('spin', (map { "-D$_" } @switches), '-a', $model)
        . run(@CC, $optimize, @{ $CC{$kind} }, '-o', 'pan', 'pan.c');

    return -x 'pan' ? run('./pan', '-m100000', @{ $PAN{$kind} }) : $said;
}


sub run {
    my @argv = @_;

    my $pid = open my $out, '-|';
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die "dup: $!";
        exec { $argv[0] } @argv or die "$argv[0]: $!";
    }

    local $/ = undef;
    my $said = <$out> // '';
    close $out;

    return $said;
}

1;
