#!/usr/bin/perl

# A Redis Cluster that misbehaves: redirections to nowhere, in circles and
# without end, states that last, maps that are none, and WAIT.

use strict;
use warnings;

use Fcntl qw(O_RDWR O_NONBLOCK F_SETFL);
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum::BadStores;
use Test::Plum::Gateway;

my $LUA = 'EVAL|EVALSHA';
my $REPLICATED = {on => 'WAIT', times => 0, reply => ":1\r\n"};

my $t = Test::Plum::Gateway->new;
my $bad = Test::Plum::BadStores->new(test => $t, scheme => 'redis+cluster',
    good => \&good, location => 'wait_replicas=1');

# whoever knocks there is not answered: its queue is full
my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
    LocalPort => $t->port('full')) or die $@;
my @queue = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
    PeerPort => $t->port('full'), Blocking => 0) } 1 .. 4;

my $closed = '127.0.0.1:' . $t->port('closed');
my $dropping = '127.0.0.1:' . $t->port('full');
my $long = 'a' x 300;
my $down = qr/redis is unavailable/;
my $refused = qr/redis refuses a command: "(?:MOVED|ASK)/;

for my $kind (qw(MOVED ASK)) {
    redirected("$kind to nowhere", "$kind {slot} $closed", $down);
    redirected("$kind to a host that drops", "$kind {slot} $dropping", $down);
    redirected("$kind of another slot", "$kind 1 $closed", $refused);
    redirected("$kind to a name", "$kind {slot} a.b:7000", qr/resolver/);
    redirected("$kind, $_->[0]", "$kind $_->[1]", $refused) for
        ['no port', '{slot} 127.0.0.1'], ['port 0', '{slot} 127.0.0.1:0'],
        ['port 70000', '{slot} 127.0.0.1:70000'], ['no slot', $closed],
        ['slot 99999', "99999 $closed"], ['a long host', "{slot} $long:7000"],
        ['no more', ''];
    # hiredis 1 takes no line feed and gives the connection up, as for damage
    redirected("$kind, a line feed", "$kind {slot} 127.0.0.1\n:7000",
        qr/$refused|$down: Bad simple string/, lines => 12);
    redirected("$kind to itself for ever", "$kind {slot} :%PORT%", $refused);
    on_peer("$kind to and fro", $kind, $refused,
        {on => $LUA, reply => "-$kind {slot} 127.0.0.1:%PORT%\r\n"});
}
on_peer('ASK, and ASKING is refused', 'ASK', $refused,
    {on => 'ASKING', reply => "-ERR no\r\n"},
    {on => $LUA, reply => "-MOVED {slot} 127.0.0.1:%PORT%\r\n"});
on_peer('ASK, closed after ASKING', 'ASK', qr/closed the connection/,
    {on => 'ASKING', reply => "+OK\r\n"},
    {on => $LUA, reply => '', then => 'close'});
on_peer('ASK, as it should be', 'ASK', undef,
    {on => 'ASKING', reply => "+OK\r\n"});

for my $scheme (qw(redis+cluster redis)) {
    for (["TRYAGAIN Multiple keys", 1], ["CLUSTERDOWN The cluster is down", 1],
        ["READONLY You can't write against a read only replica."],
        ['LOADING Redis is loading'], ['MASTERDOWN Link is down'])
    {
        my ($text, $twice) = @$_;
        my ($word) = split / /, $text;
        my @as = (scheme => $scheme, $scheme eq 'redis'
            ? (good => [$REPLICATED]) : ());
        $bad->add(what => "$word for ever, $scheme", @as,
            status => 503, says => qr/$word|no master any more/,
            rules => [{on => $LUA, reply => "-$text\r\n", times => 0}]);
        $bad->add(what => "$word twice, $scheme", @as, status => 200,
            rules => [{on => $LUA, reply => "-$text\r\n", times => 2}])
            if $twice;
    }
}

for (
    ['refused', {reply => "-NOPERM no\r\n"}, 503, qr/command: "NOPERM/],
    ['a string', {reply => "\$1\r\n1\r\n"}, 503, qr/unexpected reply/],
    ['nil', {reply => "\$-1\r\n"}, 503, qr/unexpected reply/],
    ['an array', {reply => "*1\r\n:1\r\n"}, 503, qr/unexpected type/],
    ['negative', {reply => ":-1\r\n"}, 503, qr/unexpected reply/],
    ['no replica', {reply => ":0\r\n"}, 503, qr/0 of 1 replicas/],
    ['never', {reply => ''}, 503, qr/did not answer/],
    ['late', {reply => ":1\r\n", delay => 1.6}, 503, qr/did not answer/],
    ['closed', {reply => '', then => 'close'}, 503, qr/closed the connec/],
    ['huge', {reply => ":9223372036854775807\r\n"}, 200, undef],
    ['no number', {reply => ":9223372036854775808\r\n"}, 503, $down],
) {
    my ($what, $rule, $status, $says) = @$_;
    $bad->add(what => "WAIT, $what", status => $status, says => $says,
        rules => [{on => 'WAIT', times => 0, %$rule}]);
}

# whoever writes to it waits for a reader
my $pipe = $t->path('pipe');
POSIX::mkfifo($pipe, 0666) or die $!;
sysopen my $reader, $pipe, O_RDWR or die $!;

$bad->gateway('/block' => "plum_idempotency s0; access_log $pipe;");
$bad->run;
late_wait();
$t->done_testing;


# all slots are its own; the first redirection has it asked for that

sub good {
    my $port = $_[0]->port;
    my $slots = Test::Plum::BadStores::slots([0, 16383, $port]);
    return (
        {on => $LUA, reply => "-MOVED {slot} 127.0.0.1:$port\r\n"},
        {on => 'CLUSTER', times => 0, reply => $slots},
        $REPLICATED,
    );
}


sub redirected {
    my ($what, $text, $says, %more) = @_;

    $bad->add(what => $what, status => 503, says => $says, %more,
        rules => [{on => $LUA, reply => "-$text\r\n", times => 0}]);
    return;
}


sub on_peer {
    my ($what, $kind, $says, @rules) = @_;

    $bad->add(what => $what, status => $says ? 503 : 200, says => $says,
        lines => 2,
        rules => [{on => $LUA, reply => "-$kind {slot} 127.0.0.1:%PORT%\r\n",
            times => 0}],
        peer => [map { {times => 0, %$_} } @rules]);
    return;
}


# a worker that is busy comes to its timers when an operation has its reply,
# and its WAIT is not written yet; that WAIT has no answer

sub late_wait {
    my ($case) = grep { $_->{what} eq 'WAIT, never' } @{$bad->{cases}};
    my $fake = $case->{fakes}[0][0];
    my @rules = good($fake);
    $fake->rules({on => 'WAIT', reply => ":1\r\n"},
        {on => 'WAIT', reply => ":1\r\n", delay => 0.25},
        {on => 'WAIT', reply => '', times => 0}, @rules[1 .. $#rules]);

    fcntl $reader, F_SETFL, O_NONBLOCK;
    1 while syswrite $reader, 'x' x 4096;

    is($t->forwards(sub {
        is($t->status($t->next_key, "/$case->{store}"), 200, 'its commit');
        my $client = $t->start($t->next_key, "/$case->{store}");
        sleep(0.05);
        my $block = $t->start($t->next_key, '/block');
        sleep(1.4);
        sysread $reader, my $bytes, 65536;
        is($client->read_response->status, 503, 'is given up');
    }), 2, 'not forwarded');
    $fake->rules(@rules);
    ok($t->recovers("/$case->{store}"), 'a good delivery after it');
    return;
}
