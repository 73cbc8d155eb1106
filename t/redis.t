#!/usr/bin/perl

# The Redis store: what is a duplicate across workers and hosts, what a copy
# in flight gets, and the records to the byte.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $WEEK = 7 * 24 * 3600 * 1000;

# two hosts, one Redis, one upstream
my $t = Test::Plum::Gateway->new(workers => 2);
my $other = Test::Plum::Gateway->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t);

my %setting = (
    stores => <<"CONF",
        plum_store events redis://127.0.0.1:%%PORT_redis%%;
        plum_store third redis://localhost:%%PORT_redis%%/3 prefix=t:
                         timeout=1s;
        plum_store local unix:$redis->{socket} prefix=local:;
CONF
    locations => {
        '/refuse' => 'plum_idempotency events in_flight=refuse;',
        '/kept' => 'plum_ack off; plum_idempotency events answer=1k;',
        '/third' => 'plum_idempotency third;',
        '/local' => 'plum_idempotency local;',
    },
);
$t->gateway(%setting);
$other->gateway(%setting, of => $t);
my $up = $t->{up};

records();
everywhere();
in_flight();
failures();
kept_answers();
places();
foreign();

ok($other->finish, 'the other nginx quits in peace');
$t->done_testing;


sub get { return scalar $redis->command('GET', $_[0]) }


sub records {
    my $key = $t->next_key;
    $up->script({gate => $key});
    my $client = $t->start($key);
    $up->wait_for(1);

    like(get(stored($key)), qr/\Ap[0-9a-f]{32}\z/, 'pending: p and a token');
    my $left = $redis->command('PTTL', stored($key));
    ok($left > 20_000 && $left <= 30_000, "its lease: $left ms");

    $up->open_gate($key);
    is($client->read_response->status, 200, 'forwarded');
    ok(poll_until(sub { (get(stored($key)) || '') eq 'd' }, 5), 'done: d');
    $left = $redis->command('PTTL', stored($key));
    ok($left > $WEEK - 60_000 && $left <= $WEEK, "retention: $left ms");
    is($t->status($key), 200, 'its duplicate');
    is(scalar $up->requests, 1, 'once');
    return;
}


# copies at once, to both hosts and all workers

sub everywhere {
    my $hosts = sub { return ($t, $other)[$_[0] % 2] };

    is($t->forwards(sub {
        for (1 .. 20) {
            my $key = $t->next_key;
            my @copies = map { $hosts->($_)->start($key) } 1 .. 6;
            my @status = map { $_->read_response->status } @copies;
            is("@status", '200 200 200 200 200 200', "six copies of $key");
            is($hosts->($_)->status($key), 200, 'later') for 1, 2;
        }
    }), 20, 'twenty events of 160 deliveries');

    for ($t, $other) {
        ok($_->wait_log(qr/\[duplicate\] \[-\] \[duplicate\]/, 3,
            'access.log'), 'duplicates at a host');
    }
    return;
}


sub in_flight {
    my $key = $t->next_key;
    $up->script({gate => $key});
    is($t->forwards(sub {
        my $first = $t->start($key);
        $up->wait_for(1);
        my @copies = map { $_->start($key) } $t, $other;
        is($_->read_raw(0.3), '', 'a copy waits') for @copies;

        my $r = $other->send_event($key, '/refuse');
        is($r->status, 409, 'or is refused');
        ok($r->header('retry-after'), 'and told to come again');

        $up->open_gate($key);
        is($_->read_response->status, 200, 'then all succeed')
            for $first, @copies;
        is($t->status($key, '/refuse'), 200, 'also the refused one');
    }), 1, 'once');
    return;
}


sub failures {
    my $key = $t->next_key;
    $up->script({status => 503});
    is($t->forwards(sub {
        is($t->status($key), 503, 'a failure is passed on');
        ok(poll_until(sub { !defined get(stored($key)) }, 5), 'and released');
        is($other->status($key), 200, 'the retry, at the other host');
        is($t->status($key), 200, 'its duplicate');
    }), 2, 'the retry was forwarded');

    # a copy that waited takes over
    $key = $t->next_key;
    $up->script({gate => $key, status => 500});
    is($t->forwards(sub {
        my $first = $t->start($key);
        $up->wait_for(1);
        my $copy = $other->start($key);
        is($copy->read_raw(0.1), '', 'a copy waits');
        $up->open_gate($key);
        is($first->read_response->status, 500, 'the first fails');
        is($copy->read_response->status, 200, 'the copy is forwarded');
    }), 2, 'both were forwarded');
    return;
}


sub kept_answers {
    my $key = $t->next_key;
    $up->script({status => 201, body => qq({"say":"\xc3\xa9\\r\\n"}),
        headers => [['Content-Type', 'application/json']]});
    my $first = $t->send_event($key, '/kept');
    my $again = $other->send_event($key, '/kept');
    is($first->status, 201, 'an answer');
    is($again->status, 201, 'kept for a duplicate at the other host');
    is($again->body, $first->body, 'its body');
    is($again->header('content-type'), 'application/json', 'its type');
    like(get(stored($key)), qr/\Ad\{"status":\s*201.*\}\z/, 'its record');
    return;
}


# database, prefix, unix socket: the same key is another record in each

sub places {
    my $key = $t->next_key;
    is($t->forwards(sub {
        is($t->status($key, $_), 200, $_) for qw(/ /third /local);
        is($other->status($key, $_), 200, $_) for qw(/ /third /local);
    }), 3, 'three stores');

    is(join(' ', $redis->keys("*$key")), stored($key, 'local:') . ' '
        . stored($key), 'the records of database 0');
    is(join(' ', $redis->keys('*', 3)), stored($key, 't:'),
        'and of database 3');
    is(join(' ', $redis->keys('*', 1)), '', 'and nowhere else');
    $redis->command('SELECT', 0);

    $key = join '', map { chr } 33, 35 .. 91, 93 .. 126;
    is($t->status($_), 200, 'odd bytes in a key') for $key, $key;
    is($t->status('x' x 400), 200, 'a long key') for 1, 2;
    my $hashed = stored('%sha256:');
    is(scalar(grep { /\A\Q$hashed\E[0-9a-f]{64}\z/ } $redis->keys), 1,
        'which is hashed');
    return;
}


# what stands under a key and is no record is not touched

sub foreign {
    for my $command (['RPUSH', 'x'], ['SET', 'x'], ['SET', '']) {
        my ($name, $value) = @$command;
        my $key = $t->next_key;
        $redis->command($name, stored($key), $value);
        is($t->forwards(sub {
            my $r = $t->send_event($key);
            is($r->status, 503, "$name '$value': refused");
            is($other->status($t->next_key), 200, 'a good delivery');
        }), 1, 'not forwarded');
        is($redis->command('TYPE', stored($key)),
            $name eq 'SET' ? 'string' : 'list', 'it is left');
        $redis->command('DEL', stored($key));
        is($t->status($key), 200, 'and purged, the event passes');
    }
    return;
}
