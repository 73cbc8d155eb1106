#!/usr/bin/perl

# CLUSTER SLOTS: replies that are no map, and maps that no cluster has, of
# more nodes than there is room for, too.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(time);

use Test::Plum::BadStores;
use Test::Plum::Gateway;

my $LUA = 'EVAL|EVALSHA';
my $LAST = 16383;

my $t = Test::Plum::Gateway->new;
my $bad = Test::Plum::BadStores->new(test => $t, scheme => 'redis+cluster',
    good => \&good, connections => 2048);

my @own = ("\$9\r\n127.0.0.1\r\n", ':%PORT%');
my $closed = $t->port('closed');
my $long = 'a' x 300;
my $map = slots([0, $LAST, '%PORT%']);

for (
    ['an error', "-ERR no cluster\r\n", qr/SLOTS: "ERR no cluster/],
    ['no slots', "*0\r\n", qr/SLOTS: "no slots/],
    ['nil', "*-1\r\n"], ['a nil string', "\$-1\r\n"],
    ['a status', "+OK\r\n"], ['a number', ":1\r\n"],
    ['numbers', "*1\r\n:1\r\n"], ['an empty range', "*1\r\n*0\r\n"],
    ['1 MB of a string', "\$1048576\r\n" . 'x' x 1048576 . "\r\n"],
    ['seven deep', "*1\r\n" x 7 . ":1\r\n"],
    ['64 deep', "*1\r\n" x 64 . ":1\r\n", qr/too many levels/],
    ['too large', "*2000000\r\n", qr/too large/],
    ['never', '', qr/did not answer/],
    ['inverted', entry(9, 8, @own)],
    ['slot 16384', entry(0, 16384, @own)], ['slot -1', entry(-1, 5, @own)],
    ['no node', "*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n"],
    ['a port in a string', entry(0, $LAST, $own[0], "\$4\r\n7000")],
    ['port 0', entry(0, $LAST, $own[0], ':0')],
    ['port 70000', entry(0, $LAST, $own[0], ':70000')],
    ['a long host', entry(0, $LAST, "\$300\r\n$long\r\n", $own[1])],
    ['a host of spaces', entry(0, $LAST, "\$2\r\n  \r\n", $own[1])],
    ['overlapping', slots([0, 9, '%PORT%'], [9, $LAST, '%PORT%'])],
    ['1 MB of ranges', slots(([0, $LAST, '%PORT%']) x 20000)],
    ['half of it sound', "*2\r\n" . substr(entry(0, $LAST, @own), 4)
        . "*0\r\n"],
    ['nowhere', slots([0, $LAST, $closed]), qr/redis is unavailable/],
) {
    my ($what, $reply, $says) = @$_;
    add(what => $what, status => 503, says => $says || qr/unexpected reply/,
        rules => [{times => 0, reply => $reply}]);
}
add(what => "host $_->[0]", status => 200, rules => [{times => 0,
    reply => entry(0, $LAST, $_->[1], $own[1])}])
    for ['nil', "\$-1\r\n"], ['empty', "\$0\r\n\r\n"],
        ['unknown', "\$1\r\n?\r\n"];
add(what => "slots $_->[0] to $_->[1] only", status => 200,
    rules => [{times => 0, reply => slots([@$_, '%PORT%'])}])
    for [0, 8191], [1, 1];

# these end by themselves
for my $from (map { 4 * $_ } 0 .. 11) {
    add(what => "cut from byte $from on", says => qr/closed the connection/,
        rules => [map { {cut => $_, reply => $map} } $from .. $from + 3]);
}
add(what => 'another one each time', says => qr/redis is unavailable/,
    rules => [map { {reply => $_} } ($map, slots([0, $LAST, $closed])) x 4]);

$bad->gateway;

# a worker that has no map asks for one
$bad->run(reload => 1);

my @nodes = map { $bad->fake($_) } qw(fake0 heir);

# a map that is not freed is half a megabyte; a busy machine has more requests
# at a time, which can raise the size in one round
my @sizes;
for my $round (1 .. 4) {
    full($_) for qw(MOVED ASK map);
    push @sizes, resident();
}
ok(scalar(grep { $sizes[$_] < $sizes[$_ - 1] + 256 } 1 .. $#sizes),
    "no memory is left each time: @sizes KB") if !$t->keeps_freed;
$t->done_testing;


sub slots { return Test::Plum::BadStores::slots(@_) }


sub good {
    my $port = $_[0]->port;
    return (
        {on => $LUA, reply => "-MOVED {slot} 127.0.0.1:$port\r\n"},
        {on => 'CLUSTER', times => 0, reply => slots([0, $LAST, $port])},
    );
}


sub entry {
    my ($first, $last, $host, $port) = @_;
    return "*1\r\n*3\r\n:$first\r\n:$last\r\n*2\r\n$host$port\r\n";
}


sub add {
    my (%case) = @_;
    return $bad->add(%case, what => "map: $case{what}",
        rules => [map { {on => 'CLUSTER', %$_} } @{$case{rules}}]);
}


# more than a thousand nodes where nobody is; then the slots are at a node
# that was never heard of

sub full {
    my ($kind) = @_;

    my ($fake, $heir) = @nodes;
    my @ranges = map { my $host = sprintf '127.8.%d.%d', $_ >> 8, $_ & 255;
        sprintf "*3\r\n:%d\r\n:%d\r\n*2\r\n\$%d\r\n%s\r\n:%d\r\n", 8 * $_,
            8 * $_ + 7, length $host, $host, $closed } 0 .. 2047;
    my $told = 0;
    my @odd;

    $fake->rules(
        {on => 'CLUSTER', times => 0, reply => $kind eq 'map'
            ? join '', '*2048', "\r\n", @ranges : "-ERR no map\r\n"},
        {on => $LUA, times => 0,
            reply => "-$kind {slot} {host}:$closed\r\n"});
    my $before = $fake->commands;
    is($t->forwards(sub {
        for (1 .. 40) {
            my @clients = map { $t->start($t->next_key, '/s0') } 1 .. 40;
            push @odd, grep { $_ != 503 }
                map { $_->read_response->status } @clients;
            $told = $fake->commands - $before;
            last if $told > 1300;
        }
    }), 0, "$kind, a thousand nodes: nothing is forwarded");
    is("@odd", '', 'all refused');
    diag("$kind: $told commands, ", resident(), ' KB');

    my @good = (
        {on => 'CLUSTER', times => 0, reply => slots([0, $LAST, $heir->port])},
    );
    $heir->rules(@good);
    $fake->rules({on => $LUA, times => 0,
        reply => '-MOVED {slot} 127.0.0.1:' . $heir->port . "\r\n"}, @good);
    ok($t->recovers('/s0'), "$kind: at work at a node that is new");
    $bad->check("$kind: then");
    @nodes = ($heir, $fake);
    return;
}


# KB of the worker

sub resident {
    my ($pid) = $t->workers;
    return $t->read_file("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m
        ? $1 : die 'no VmRSS';
}
