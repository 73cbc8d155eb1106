#!/usr/bin/perl

# The Redis store over time: leases and retention run out, a record is purged,
# workers are reloaded and killed, records may be evicted.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until unread);
use Test::Plum::Redis;

# two hosts, one Redis, one upstream
my $t = Test::Plum::Gateway->new(workers => 2);
my $other = Test::Plum::Gateway->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t);

my %setting = (
    stores => <<'CONF',
        plum_store events redis://127.0.0.1:%%PORT_redis%%;
        plum_store narrow redis://127.0.0.1:%%PORT_redis%%
                          timeout=3s max_pending=2;
CONF
    locations => {
        '/refuse' => 'plum_idempotency events in_flight=refuse;',
        '/short' => 'plum_idempotency events retention=2s lease=2s;',
        '/brief' => 'plum_idempotency events lease=1s;',
        '/renewed' => 'plum_idempotency events lease=3s;',
        '/narrow' => 'plum_idempotency narrow;',
    },
);
$t->gateway(%setting);
$other->gateway(%setting, of => $t);
my $up = $t->{up};

lapses();
purge();
reload_in_flight();
killed_worker();
connections();
idle();
orphan();
crowd();
policy();

ok($other->finish, 'the other nginx quits in peace');
$t->done_testing;


sub get { return scalar $redis->command('GET', $_[0]) }


sub lapses {
    my $key = $t->next_key;
    is($t->forwards(sub {
        is($t->status($key, '/short'), 200, 'remembered') for 1 .. 3;
    }), 1, 'once');
    ok(poll_until(sub { !defined get(stored($key)) }, 5), 'until retention');
    is($t->forwards(sub { $t->status($key, '/short') }), 1, 'then it is new');

    # longer than the lease, and renewed all the while
    $key = $t->next_key;
    $up->script({gate => $key});
    is($t->forwards(sub {
        my $first = $t->start($key, '/renewed');
        $up->wait_for(1);
        my ($since) = @{$redis->command('TIME')};
        ok(poll_until(sub {
            return $redis->command('TIME')->[0] > $since + 3;
        }, 5), 'the lease, and more');
        like(get(stored($key)) || '', qr/\Ap/, 'a lease is renewed');
        is($t->send_event($key, '/refuse')->status, 409, 'in flight');
        $up->open_gate($key);
        is($first->read_response->status, 200, 'a slow upstream');
    }), 1, 'once');
    return;
}


sub purge {
    my $key = $t->next_key;
    is($t->forwards(sub {
        is($t->status($key), 200, 'new') for 1, 2;
        is($redis->command('DEL', stored($key)), 1, 'purged');
        is($_->status($key), 200, 'redelivered') for $other, $t;
    }), 2, 'the redelivery was forwarded, once');
    return;
}


sub reload_in_flight {
    my $key = $t->next_key;
    $up->script({gate => $key});
    is($t->forwards(sub {
        my $first = $t->start($key);
        $up->wait_for(1);
        ok($t->reload, 'reload');
        my $copy = $t->start($key);
        is($copy->read_raw(0.2), '', 'a copy at the new workers waits');
        $up->open_gate($key);
        is($_->read_response->status, 200, 'both succeed') for $first, $copy;
    }), 1, 'once');
    ok(poll_until(sub { $t->workers(all => 1) == 2 }, 10),
        'the old workers leave');
    return;
}


sub killed_worker {
    my $key = $t->next_key;
    $up->forget;
    $up->script({action => 'hang'});
    my $first = $t->start($key, '/brief');
    $up->wait_for(1);
    like(get(stored($key)), qr/\Ap/, 'pending');
    $t->kill_worker($_) for $t->workers;
    is($first->read_response->status, 0, 'the delivery is cut');

    is($t->forwards(sub {
        is($other->status($key, '/brief'), 200, 'a retry waits for the lease');
        is($t->status($key, '/brief'), 200, 'its duplicate');
    }), 1, 'and is forwarded');
    return;
}


# two workers each at two hosts, two stores, and our own

sub connections {
    my @clients = split /\n/, $redis->command('CLIENT', 'LIST');
    cmp_ok(scalar @clients, '<=', 9, 'a connection per worker and store');
    return;
}


# connections that are cut while nothing is under way cost no delivery

sub idle {
    for (1 .. 4) {
        $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        is($t->status($t->next_key), 200, 'after a cut');
    }
    return;
}


# the sender leaves while its claim is on the way

sub orphan {
    my $key = $t->next_key;
    is($t->status($t->next_key, '/narrow'), 200, 'a good delivery') for 1 .. 4;
    is($t->forwards(sub {
        $redis->freeze;
        my $client = $t->start($key, '/narrow');
        ok(poll_until(sub { unread($redis->port) }, 5), 'a claim is sent');
        $client->close;
        ok($t->wait_log(qr/client .*closed connection/), 'its sender left');
        $redis->thaw;
        is($t->status($key, '/narrow'), 200, 'it comes again');
    }, $key), 1, 'forwarded once');
    ok(poll_until(sub { get(stored($key)) eq 'd' }, 5), 'and is remembered');
    return;
}


# per worker, so one of them must have had three

sub crowd {
    $redis->freeze;
    my @keys = map { $t->next_key } 1 .. 12;
    my $accepted;
    my $forwards = $t->forwards(sub {
        my @held = map { $t->start($_, '/narrow') } @keys;
        my $refused = 0;
        ok(poll_until(sub {
            my @left = grep { $_->read_raw(0) !~ / 503 / } @held;
            $refused += @held - @left;
            @held = @left;
            return $refused >= 8;
        }, 5), 'too many are refused while Redis does not answer');
        $redis->thaw;
        $accepted = grep { $_->read_response->status == 200 } @held;
        cmp_ok($accepted, '>', 0, 'others wait');
    });
    is($forwards, $accepted, 'the refused ones are not forwarded');
    is($t->status($_, '/narrow'), 200, 'each comes again') for @keys;
    return;
}


sub policy {
    my $regex = qr/\[warn\].*maxmemory-policy/;
    unlike($t->error_log, $regex, 'no warning where nothing is evicted');
    $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    ok($t->reload, 'reload');
    is($t->status($t->next_key), 200, 'a good delivery');
    my $line = $t->wait_log($regex);
    like($line || '', qr/allkeys-lru/, 'a warning where records may go');
    return;
}
