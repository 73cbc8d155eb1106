#!/usr/bin/perl

# A name that the system knows (localhost) beside a resolver that does not, or
# knows better: as in proxy_pass, where there is a resolver, too.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Gateway;
use Test::Plum::Nameserver;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $t = Test::Plum::Gateway->new;
my $here = Test::Plum::Redis->new(test => $t, name => 'here',
    address => '127.0.0.1');
my $there = Test::Plum::Redis->new(test => $t, name => 'there',
    address => '127.0.0.2', port => $here->port);
my $dns = Test::Plum::Nameserver->new(test => $t);

# localhost is unknown to it
$dns->names;
$t->gateway(
    default => 'events',
    http => 'resolver 127.0.0.1:%%PORT_dns%% ipv6=off valid=1s;',
    stores => 'plum_store events redis://localhost:%%PORT_here%% timeout=3s;'
        . 'plum_store sentinels redis+sentinel://localhost:%%PORT_nobody%%/m;'
        . 'plum_store cluster redis+cluster://localhost:%%PORT_nobody%%;',
);
ok($t->recovers, 'the resolver does not know it: at work');

is_at($here, 'unknown to the resolver');
for (['the resolver does not answer', []],
    ['the resolver names a host where nobody is', ['127.0.0.3']],
    ['the resolver has forgotten it again'])
{
    my ($what, $addresses) = @$_;
    $dns->names($addresses ? (localhost => $addresses) : ());
    reconnect($here);
    is_at($here, $what);
}

# what the resolver says is newer than what the system said
$dns->names(localhost => ['127.0.0.2']);
poll_until(sub { reconnect($here); $t->status($t->next_key);
    scalar $there->keys('*') }, 10);
is_at($there, 'the resolver has another address');
$t->done_testing;


sub reconnect {
    my ($redis) = @_;

    $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    return;
}


sub is_at {
    my ($redis, $what) = @_;

    ok($t->recovers, "$what: at work");
    my $key = $t->next_key;
    is($t->forwards(sub {
        is($t->status($key), 200, "$what: $_") for 'an event', 'a copy';
    }), 1, "$what: once");
    ok(poll_until(sub {
        grep { ($redis->command('GET', $_) || '') eq 'd' }
            $redis->keys("*$key");
    }, 10), "$what: its record is there");
    return;
}
