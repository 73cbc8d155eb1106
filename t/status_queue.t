#!/usr/bin/perl

# What plum_status says of stores, queues and consumers: after known
# deliveries, with a consumer that fails, is paused or whose letters are dead,
# and while Redis is down.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum::Metrics;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
my %OF = (queue => 'orders', consumer => 'well');
my %SICK = (queue => 'orders', consumer => 'sick');
my %STORE = (store => 'events');

$t->gateway(
    consumers => ['deliver well /deliver/well;', 'deliver sick /deliver/sick;'],
    deliver => 'plum_deliver concurrency=4 retry=50ms,100ms breaker=off;',
    locations => {
        '/deliver/sick' => 'proxy_pass http://127.0.0.1:%%PORT_sick%%;',
    },
    http => 'plum_store local memory:1m;',
    more => 'location = /status { plum_status; }
        location /inline { plum on; plum_accept off; plum_idempotency local;
            proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /redis { plum on; plum_accept off; plum_idempotency events;
            proxy_pass http://127.0.0.1:%%PORT_up%%; }',
);
my $sick = $t->upstream('sick');
my $accepted = 0;

stores();
delivered();
dead();
paused();
breaker();
not_durable();
redis_down();

$t->done_testing;


sub metrics { return Test::Plum::Metrics->read($t) }


# likewise, once a condition holds

sub metrics_when {
    my ($condition, $seconds) = @_;

    my $m;
    my $found = poll_until(sub { $m = metrics(); return $condition->($m) },
        $seconds || 15);
    ok($found, 'the page shows it') or diag($t->request(
        uri => '/status?format=prometheus')->body);
    return $m;
}


sub is_of {
    my ($m, $name, $of, $value, $what) = @_;
    return is($m->value("plum_queue_$name", %$of), $value, $what);
}


sub send_one {
    ok($t->accepted({id => 's' . ++$accepted}), 'an event');
    return;
}


sub findings { return $t->request(uri => '/status?format=html')->body
    =~ /data-finding="(\w+)"/g }


sub stores {
    my $m = metrics_when(sub { ($_[0]->value('plum_store_up', %STORE) || 0)
        == 1 });
    is($m->value('plum_store_up', store => 'local'), 1, 'a memory store');
    is($m->value('plum_store_up', %STORE,
        node => '127.0.0.1:' . $redis->port), 1, 'the node is its address');
    is(scalar(grep { $_->{value} } $m->find('plum_store_operations_total')),
        0, 'no operation yet');
    is($m->value('plum_store_records', store => 'local'), 0, 'no record');
    is($m->value('plum_store_records', %STORE), undef,
        'of Redis there are none');

    for my $uri ('/inline', '/redis') {
        my @event = $t->event({id => 'one'}, uri => $uri);
        is($t->request(@event)->status, 200, "$uri: an event");
        is($t->request(@event)->status, 200, 'its duplicate');
    }

    $m = metrics_when(sub { $_[0]->value('plum_store_operations_total',
        %STORE, operation => 'commit', outcome => 'ok') });
    for my $store ('local', 'events') {
        my %of = (store => $store);
        is_deeply($m->by('plum_store_operations_total', 'outcome', %of,
            operation => 'claim'), {ok => 1, done => 1}, "$store: claims");
        is_deeply($m->by('plum_store_operations_total', 'outcome', %of,
            operation => 'commit'), {ok => 1}, 'commits');
    }
    is($m->value('plum_store_records', store => 'local'), 1, 'a record');
    cmp_ok($m->value('plum_store_bytes', store => 'local'), '>', 0, 'bytes');
    is($m->value('plum_store_evictions_total', store => 'local'), 0,
        'nothing was forgotten');
    is($m->value('plum_store_seconds_count', %STORE, operation => 'claim'), 2,
        'each claim took its time');
    cmp_ok($m->value('plum_store_seconds_sum', %STORE, operation => 'claim'),
        '>', 0, 'which is counted');
    return;
}


sub delivered {
    send_one() for 1 .. 3;
    my $m = metrics_when(sub {
        my ($page) = @_;
        return 2 == grep { $page->value('plum_deliveries_total', %$_,
            outcome => 'delivered') == 3 } \%OF, \%SICK;
    });
    is($m->value('plum_delivery_seconds_count', %OF), 3, 'and their times');
    is_deeply($m->by('plum_consumer_state', 'state', %OF), {open => 1},
        'it is open');
    is_deeply($m->by('plum_events_total', 'verdict', gate => 'localhost/')
        || {}, {}, 'no other gate');
    is_deeply($m->by('plum_events_total', 'verdict', gate => '/'),
        {accepted => 3}, 'the gate has accepted them');
    is_deeply($m->by('plum_dedupe_total', 'result', gate => '/'),
        {new => 3}, 'as new ones');
    is_deeply($m->by('plum_forwards_total', 'outcome', gate => '/'), {},
        'and forwarded nothing');
    return;
}


sub dead {
    $sick->answer(status => 500);
    send_one();
    my $m = metrics_when(sub { ($_[0]->value('plum_queue_dead', %SICK) || 0)
        == 1 });
    is_deeply($m->by('plum_deliveries_total', 'outcome', %SICK),
        {delivered => 3, again => 2, dead => 1}, 'attempts by outcome');
    is_of($m, 'waiting', \%SICK, 0, 'nothing waits');
    is_of($m, 'dead', \%OF, 0, 'the other one has none');
    is(join(' ', grep { /dead/ } findings()), 'dead', 'HTML says so');
    $sick->answer(status => 200);
    return;
}


sub paused {
    $t->pause('sick');
    send_one() for 1 .. 2;
    my $m = metrics_when(sub {
        ($_[0]->value('plum_queue_waiting', %SICK) || 0) == 2
            && $_[0]->value('plum_consumer_state', %SICK, state => 'paused')
    });
    is_deeply($m->by('plum_consumer_state', 'state', %SICK), {paused => 1},
        'the consumer is paused');
    cmp_ok($m->value('plum_queue_oldest_seconds', %SICK), '>', 0,
        'the oldest waits');
    is_deeply($m->by('plum_consumer_state', 'state', %OF), {open => 1},
        'the other one is not');
    is(join(' ', grep { /paused/ } findings()), 'paused', 'HTML says so');

    $t->resume('sick');
    $m = metrics_when(sub {
        ($_[0]->value('plum_queue_waiting', %SICK) // 1) == 0
            && $_[0]->value('plum_consumer_state', %SICK, state => 'open')
            && ($_[0]->value('plum_queue_in_flight', %SICK) // 1) == 0 });
    is_of($m, 'oldest_seconds', \%SICK, 0, 'nothing is old any more');
    return;
}


sub breaker {
    $t->write_conf($t->read_file('nginx.conf')
        =~ s/breaker=off/breaker=2:1h/gr);
    ok($t->reload, 'with a breaker');
    $sick->answer(status => 503);
    send_one() for 1 .. 2;
    my $m = metrics_when(sub { $_[0]->value('plum_consumer_state', %SICK,
        state => 'breaker') });
    is_deeply($m->by('plum_consumer_state', 'state', %SICK), {breaker => 1},
        'the breaker is open');
    $m = metrics_when(sub { $_[0]->value('plum_queue_waiting', %SICK)
        && $_[0]->value('plum_deliveries_total', %OF, outcome => 'delivered')
            == $accepted });
    is($m->value('plum_deliveries_total', %OF, outcome => 'delivered'),
        $accepted, 'counts have survived the reload');
    is(join(' ', grep { /breaker|failing/ } findings()), 'breaker failing',
        'HTML says so');
    return;
}


# a Redis that does not keep what accepted= promises, yet answers

sub not_durable {
    $redis->command('CONFIG', 'SET', 'appendfsync', 'everysec');
    ok(poll_until(sub {
        return $t->accept({id => 'weak' . ++$accepted})->status == 503;
    }, 20), 'Redis is not as durable as promised');

    my $m = metrics_when(sub { $_[0]->value('plum_store_up', %STORE) == 0 });
    is($m->value('plum_store_up', %STORE), 0, 'for the queue it is down');
    is(join(' ', grep { /store/ } findings()), 'store', 'HTML says so');

    $redis->command('CONFIG', 'SET', 'appendfsync', 'always');
    send_one();
    metrics_when(sub { $_[0]->value('plum_store_up', %STORE) });
    return;
}


sub redis_down {
    my $before = metrics()->value('plum_refused_total', gate => '/',
        reason => 'store_unavailable');
    $redis->kill;
    is($t->request($t->event({id => 'down'}))->status, 503, 'Redis is down');
    my $m = metrics_when(sub { $_[0]->value('plum_store_up', %STORE) == 0
        && !defined $_[0]->value('plum_queue_waiting', %SICK) }, 30);
    is($m->value('plum_queue_dead', %SICK), undef, 'and no old figures');
    is($m->value('plum_refused_total', gate => '/',
        reason => 'store_unavailable'), $before + 1,
        'the refusal is counted');
    is($m->value('plum_store_up', store => 'local'), 1,
        'the memory store is up');
    is(join(' ', grep { /store|unread/ } findings()), 'store unread unread',
        'HTML says so');

    $redis->start;
    $m = metrics_when(sub { $_[0]->value('plum_store_up', %STORE)
        && defined $_[0]->value('plum_queue_waiting', %SICK) }, 30);
    is_of($m, 'dead', \%SICK, 1, 'it is back, with its figures');
    send_one();
    return;
}
