#!/usr/bin/perl

# A setting of Redis that is weakened while NGINX stays connected: soon
# nothing is accepted any more, under load and without, and the log says what
# to set; and a store warns of a maxmemory-policy that was changed.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
$t->gateway(
    consumers => ['deliver billing /deliver/billing;'],
    more => 'location /inline {
        plum on;
        plum_idempotency events;
        proxy_pass http://127.0.0.1:%%PORT_up%%;
    }',
);
ok($t->recovers, 'a good delivery');

# seconds after which a setting is asked for again
my $SECONDS = 5;

busy();
idle();
policy();

ok($t->recovers, 'a good delivery');
$t->done_testing;


sub connections {
    return $redis->info('total_connections_received');
}


sub set {
    my (@setting) = @_;
    return $redis->command('CONFIG', 'SET', @setting);
}


# one event after the other, none of which waits for a connection

sub busy {
    my $before = connections();
    set(appendfsync => 'everysec');
    my $refused = poll_until(sub {
        return $t->accept({id => $t->next_key})->status == 503;
    }, 2 * $SECONDS);
    ok($refused, 'busy: refused after a while');
    my $line = 'redis is unavailable: it cannot keep "accepted fsync", as it '
        . 'answers before the disk has it: set "appendfsync always"';
    ok($t->wait_log(qr/\Q$line\E/), 'busy: the log says what to set');
    cmp_ok(connections() - $before, '<', 20, 'busy: few connections are made');
    is($t->accept({id => $t->next_key})->status, 503, 'busy: still refused');
    set(appendfsync => 'always');
    ok($t->recovers, 'busy: it recovers');
    return;
}


# the first event after a while is refused already

sub idle {
    sleep($SECONDS + 0.5);
    set(appendonly => 'no');
    my $key = $t->next_key;
    is($t->accept({id => $key})->status, 503, 'idle: the first is refused');
    my $line = 'as it writes no append-only file';
    ok($t->wait_log(qr/\Q$line\E/), 'idle: the log says so');
    set(appendonly => 'yes');
    ok($t->recovers, 'idle: it recovers');
    is($t->accept({id => $key})->status, 200, 'idle: and the retry is good');
    ok($t->empty('billing'), 'idle: all is delivered');
    return;
}


sub policy {
    is($t->accept({id => $t->next_key}, uri => '/inline')->status, 200,
        'inline, a good delivery');
    set('maxmemory-policy' => 'allkeys-lru');
    my $warned = qr/maxmemory-policy.*plum store: "events"/;
    ok(poll_until(sub {
        $t->accept({id => $t->next_key}, uri => '/inline');
        return $t->log_lines($warned) > 0;
    }, 2 * $SECONDS), 'inline: an evicting policy is warned of');
    is($t->accept({id => $t->next_key}, uri => '/inline')->status, 200,
        'inline: and used');
    ok(poll_until(sub {
        return $t->accept({id => $t->next_key})->status == 503;
    }, 2 * $SECONDS), 'a queue refuses it');
    set('maxmemory-policy' => 'noeviction');
    return;
}
