#!/usr/bin/perl

# The idempotency protocol, checked by spin (docs/PROTOCOL.md): what is
# promised holds in every order of steps and faults, and where a rule of the
# protocol is taken out, or broken, it does not.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Spec;
use File::Temp qw(tempdir);
use Test::More;

my $MODEL = File::Spec->rel2abs(dirname(__FILE__) . '/model/idempotency.pml');

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

# faults that the protocol itself must get over, as no lease ever ends
my @UNAIDED = qw(LAPSE=0 CRASH=0 LATE=0 FAILOVER=0 HOLD=0);

my $NEVER = 'assertion violated';
my $FOREVER = 'acceptance cycle';

for my $tool (qw(spin cc)) {
    plan(skip_all => "no $tool") if !grep { -x "$_/$tool" } File::Spec->path;
}

chdir tempdir(CLEANUP => 1) or die "chdir: $!";

holds('no double but for an excuse, acknowledged is forwarded',
    'safety', qw(FAULTS=3));
holds('... with three deliveries at a time',
    'safety', qw(FAULTS=1 SENDERS=3));
holds('... with unavailable=forward, where each such is an excuse',
    'safety', qw(FAULTS=2 FORWARD=1));
holds('acknowledged in the end',
    'liveness', qw(FAULTS=2));
holds('... with no lease that ends',
    'liveness', qw(FAULTS=2), @UNAIDED);

found('a copy of a pending claim is acknowledged',
    'safety', qr/\Q$NEVER\E answered/, qw(FAULTS=1 ACK_COPY));
found('no answer is taken for success',
    'safety', qr/\Q$NEVER\E answered/, qw(FAULTS=1 ACK_DOUBT));
found('a release ends whatever claim is there',
    'safety', qr/\Q$NEVER\E \(allowance>0\)/, qw(FAULTS=2 NO_TOKEN));
found('a failed forward does not release its claim',
    'liveness', qr/$FOREVER/, qw(FAULTS=1 NO_RELEASE), @UNAIDED);
found('a claim made for nobody is not released',
    'liveness', qr/$FOREVER/, qw(FAULTS=1 NO_CANCEL), @UNAIDED);
found('nor is one whose repetition was not sent',
    'liveness', qr/$FOREVER/, qw(FAULTS=2 FORGETFUL), @UNAIDED);

# a dead worker's claim is nobody's to release
found('a worker dies, and leases last for ever',
    'liveness', qr/$FOREVER/, qw(FAULTS=1 LAPSE=0));

done_testing();


sub holds {
    my ($name, $kind, @switches) = @_;

    my $said = check($kind, @switches);

    like($said, qr/errors: 0$/m, $name) or diag($said);
    unlike($said, qr/not completed|max search depth|out of memory/,
        'all states were seen');

    # or what was checked might not be what was meant
    like($said, qr/in proctype Sender\n\s+\(0 of/, 'every step was taken')
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

    my $said = run('spin', (map { "-D$_" } @switches), '-a', $MODEL)
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
