#!/usr/bin/perl

# Sentinels that misbehave: with a good one in the list deliveries get through,
# without one they are refused until it is good again.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use IO::Socket::INET;
use Test::More;

use Test::Plum::BadStores;
use Test::Plum::Gateway;

my $t = Test::Plum::Gateway->new;
my $bad = Test::Plum::BadStores->new(test => $t, scheme => 'redis+sentinel',
    tail => '/main', good => [names('127.0.0.1', $t->port('redis'))]);

# whoever knocks there is not answered: its queue is full
my $full = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
    LocalPort => $t->port('full')) or die $@;
my @queue = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
    PeerPort => $t->port('full'), Blocking => 0) } 1 .. 4;

my $useless = qr/a sentinel is of no use/;
my $named = qr/a sentinel names a node that is of no use|is unavailable/;
my $answer = names('127.0.0.1', $t->port('redis'))->{reply};

for (
    ['an error', {reply => "-ERR no\r\n"}],
    ['NOAUTH', {reply => "-NOAUTH Authentication required.\r\n"}],
    ['nil', {reply => "*-1\r\n"}, qr/does not know the master/],
    ['nothing', {reply => "*0\r\n"}],
    ['one element', {reply => "*1\r\n\$9\r\n127.0.0.1\r\n"}],
    ['three elements', {reply => $answer =~ s/\*2/*3/r . "\$1\r\n0\r\n"}],
    ['numbers', {reply => "*2\r\n:127\r\n:6379\r\n"}],
    ['a status', {reply => "+OK\r\n"}],
    ['nil elements', {reply => "*2\r\n\$-1\r\n\$-1\r\n"}],
    ['an empty host', names('', 7000)], ['host ?', names('?', 7000)],
    ['a host of spaces', names('  ', 7000)],
    ['a long host', names('a' x 300, 7000)],
    ['port 0', names('127.0.0.1', 0)], ['port x', names('127.0.0.1', 'x')],
    ['port 70000', names('127.0.0.1', 70000)],
    ['no port', names('127.0.0.1', '')],
    ['never', {reply => ''}, qr/is too slow/],
    ['late', {reply => $answer, delay => 3.5}, qr/is too slow/],
    ['closed', {reply => '', then => 'close'}, qr/closed the connection/],
    ['reset', {reply => '', then => 'reset'}, qr/closed the connection/],
    ['cut', {reply => $answer, cut => 20}, qr/closed the connection/],
    ['closed at once', {greet => 1, on => undef, then => 'close'},
        qr/closed the connection/],
    ['a greeting', {greet => 1, on => undef, reply => "+HELLO\r\n"}],
    ['a reply before it', {reply => $answer, before => "+OK\r\n"}],
    ['seven deep', {reply => "*1\r\n" x 7 . ":1\r\n"}],
    ['64 deep', {reply => "*1\r\n" x 64 . ":1\r\n"}, qr/too many levels/],
    ['huge', {reply => "*99999999\r\n"}, qr/too large/],
    ['1 MB', {reply => '$1048576' . "\r\n" . 'x' x 1048576 . "\r\n"}],
    ['garbage', {reply => "\xff\r\n"}, qr/unexpected type/],
) {
    my ($what, $rule, $says) = @$_;
    in_list($what, $says || $useless, [200], $rule);
}

# the next one is asked once it turns out that what the first one names is no
# master: at once, but for the time that it takes to find out
for (
    ['itself', names('127.0.0.1', '%PORT%'), qr/it is no master/, [200],
        {on => 'ROLE', times => 0, reply => "*1\r\n\$8\r\nsentinel\r\n"}],
    ['nobody', names('127.0.0.1', $t->port('closed')), $named, [200]],
    ['a host that drops', names('127.0.0.1', $t->port('full')), $named,
        [undef, 200]],
    ['a name', names('a.b', 7000), qr/needs a "resolver"/, [200]],
) {
    my ($what, $rule, $says, $passes, @more) = @$_;
    in_list($what, $says, $passes, $rule, @more);
}
for (['byte by byte', {drip => 1}], ['split', {split => 7}],
    ['a second answer', {after => $answer}],
    ['an error after it', {after => "-ERR no\r\n"}])
{
    my ($what, $rule) = @$_;
    $bad->add(what => $what, status => 200,
        rules => [{on => 'SENTINEL', times => 0, reply => $answer, %$rule}]);
}

$bad->gateway;

# they are asked for the master when a connection is made
$bad->run(reload => 1);
$t->done_testing;


sub names {
    my ($host, $port) = @_;
    return {on => 'SENTINEL', times => 0, reply => sprintf
        "*2\r\n\$%d\r\n%s\r\n\$%d\r\n%s\r\n", length $host, $host,
        $port eq '%PORT%' ? 5 : length $port, $port};
}


# all of them are so, or the first one

sub in_list {
    my ($what, $says, $passes, @rules) = @_;

    $rules[0] = {on => 'SENTINEL', times => 0, %{$rules[0]}};
    my ($status, $ends) = @$passes;
    my @more = @rules[1 .. $#rules];
    $bad->add(what => "all: $what", status => 503, says => $says,
        rules => \@rules, peer => \@rules, others => 1);
    $bad->add(what => "first: $what", status => $status, ends => $ends,
        says => $says, rules => \@rules, peer => \@more, others => 1);
    return;
}
