#!/usr/bin/perl

# What plum_status counts, exactly, after deliveries of each kind; and that
# nothing is counted where there is no plum_status.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Metrics;
use Test::Plum::Process qw(poll_until);
use Time::HiRes qw(time);

my $SECRET = 'a secret of many bytes 0123456789';
my $OLD = 'the secret of before, 0123456789';

my $CONF = <<'CONF';
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_secret plum %%TESTDIR%%/old;
    plum_store events memory:1m;
    plum_allowlist some { event_type type; allow id type data.a for=a.*;
                          unlisted acknowledge; }
    plum_allowlist strict { event_type type; allow id for=a.*; }
    plum_tls off;
    plum_signature github secret=plum;
    plum_capture $id id;
    plum_idempotency_key $id;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name hooks.example;

        location /forward {
            plum on;
            plum_allow some;
            plum_idempotency events in_flight=refuse;
            proxy_pass http://127.0.0.1:%%PORT_up%%;

            location /forward/inner {
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
        }
        location = /strict {
            plum on;
            plum_allow strict;
            plum_max_body 1k;
            error_page 413 /page;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /page { return 200 page; }
        location /observe {
            plum on;
            plum_mode observe;
            plum_allow strict;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /static {
            plum on;
            plum_allow all;
            try_files /none @end;
        }
        location @end { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /mirrored {
            mirror /strict;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /denied {
            plum on;
            plum_allow all;
            deny all;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location ~ ^/reg(ex)?$ {
            plum on;
            plum_allow all;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location = /status { STATUS; }
    }
}
CONF

my $t = Test::Plum->new(workers => 2);
my $up = $t->upstream('up');
my $serial = 0;
$t->secret('plum', $SECRET);
$t->secret('old', $OLD);
$t->write_conf($CONF =~ s/STATUS/plum_status/r);
$t->run;

my $NAME = 'hooks.example';
zeros();
forwarded();
refused();
aborted();
observed();
elsewhere();
adds_up();
durations();
without();

$t->done_testing;


sub event {
    my (%opt) = @_;

    my $id = $opt{id} || 'e' . ++$serial;
    my $type = $opt{type} || 'a.b';
    return qq({"id":"$id","type":"$type","data":{"a":1,"b":2},"more":[3]});
}


sub deliver {
    my ($uri, %opt) = @_;

    my $body = defined $opt{body} ? delete $opt{body}
        : event(map { exists $opt{$_} ? ($_ => delete $opt{$_}) : () }
            qw(id type));
    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => $body, %opt)->status;
}


sub metrics { return Test::Plum::Metrics->read($t) }


# likewise, once a condition holds: a request may end after its answer

sub metrics_when {
    my ($condition) = @_;

    my $m;
    poll_until(sub { $m = metrics(); return $condition->($m) }, 10);
    return $m;
}


sub zeros {
    my $m = metrics();
    my %gate = map { $_->{gate} => 1 } $m->labels('plum_events_total');
    is_deeply([sort keys %gate], [sort map { "$NAME$_" } '/forward',
        '/strict', '/observe', '/static', '/denied', ' ~ ^/reg(ex)?$'],
        'a gate for each "plum on"');

    for my $name (qw(plum_events_total plum_refused_total plum_dedupe_total
        plum_forwards_total plum_body_bytes_total plum_stripped_members_total
        plum_secret_matches_total plum_gate_seconds_count
        plum_upstream_seconds_count))
    {
        my @samples = $m->find($name);
        ok(scalar @samples, "$name is there");
        is(scalar(grep { $_->{value} != 0 } @samples), 0, 'with zeros');
    }
    is(scalar $m->find('plum_refused_total', gate => "$NAME/strict"), 22,
        'each reason');
    is(scalar $m->find('plum_last_event_timestamp_seconds'), 0,
        'no event, no time of it');
    cmp_ok(abs($m->value('plum_config_reload_timestamp_seconds') - time()),
        '<', 60, 'when it was loaded');
    return;
}


sub forwarded {
    my %of = (gate => "$NAME/forward");
    my $before = int time();
    my $body = event(id => 'one');
    my $clean = '{"id":"one","type":"a.b","data":{"a":1}}';

    is(deliver('/forward', body => $body), 200, 'forwarded');
    is(deliver('/forward', body => $body), 200, 'its duplicate');
    is(deliver('/forward/inner', id => 'two', secret => $OLD), 200,
        'of a location inside, with the old key');
    is(deliver('/forward', type => 'b.c'), 200, 'dropped');
    $up->script({status => 500});
    is(deliver('/forward'), 500, 'failed');
    $up->script({action => 'close'});
    is(deliver('/forward'), 502, 'in doubt');

    my $m = metrics();
    is_deeply($m->by('plum_events_total', 'verdict', %of),
        {accepted => 4, duplicate => 1, dropped => 1}, 'verdicts');
    is_deeply($m->by('plum_dedupe_total', 'result', %of),
        {new => 4, duplicate => 1}, 'results of the store');
    is_deeply($m->by('plum_forwards_total', 'outcome', %of),
        {success => 2, failure => 1, in_doubt => 1}, 'outcomes');
    is_deeply($m->by('plum_secret_matches_total', 'secret', %of),
        {'plum#1' => 5, 'plum#2' => 1}, 'secrets that fitted');
    is($m->value('plum_stripped_members_total', %of), 4 * 2,
        'what was stripped of the four that left');
    is($m->value('plum_body_bytes_total', %of, direction => 'in'),
        2 * length($body) + 2 * length(event(id => 'e1'))
            + length(event(id => 'e1', type => 'b.c'))
            + length(event(id => 'two')), 'bytes received');
    is($m->value('plum_body_bytes_total', %of, direction => 'out'),
        2 * length($clean) + 2 * length($clean =~ s/one/e1/r),
        'bytes forwarded');
    for my $verdict (qw(accepted duplicate dropped)) {
        my $last = $m->value('plum_last_event_timestamp_seconds', %of,
            verdict => $verdict);
        ok($last >= $before - 1 && $last <= time() + 1, "last $verdict");
    }
    is($m->value('plum_last_event_timestamp_seconds', %of,
        verdict => 'refused'), undef, 'none was refused');

    # a copy while the first is under way
    $up->on('/forward', gate => 'open');
    my ($first, $copy) = map { $t->client(0) } 1 .. 2;
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        uri => '/forward', body => event(id => 'slow'));
    my $before_it = $up->requests;
    $first->request(%request, no_read => 1);
    $up->wait_for($before_it + 1);
    is($copy->request(%request)->status, 409, 'in flight');
    $up->open_gate('open');
    is($first->read_response->status, 200, 'the first one');
    $up->on('/forward', status => 200);

    $m = metrics();
    is($m->value('plum_dedupe_total', %of, result => 'in_flight'), 1,
        'counted as in flight');
    is($m->value('plum_refused_total', %of, reason => 'in_flight'), 1,
        'and as refused for it');
    is($m->value('plum_events_total', %of, verdict => 'accepted'), 5,
        'the first one was accepted');
    return;
}


sub refused {
    my %of = (gate => "$NAME/strict");

    is(deliver('/strict', secret => 'x' x 20), 401, 'another key') for 1 .. 3;
    is(deliver('/strict', headers => {'x-hub-signature-256' => undef}), 401,
        'no key');
    is(deliver('/strict', headers => {'content-type' => 'text/plain'}), 415,
        'no JSON type');
    is(deliver('/strict', method => 'PUT'), 405, 'PUT');
    is(deliver('/strict', body => '{"id":'), 400, 'no JSON');
    is(deliver('/strict', type => 'b'), 422, 'unlisted');
    is(deliver('/strict', body => '{"id":"' . 'x' x 2000 . '"}'), 413,
        'too large, with an error page');
    is(deliver('/strict'), 200, 'and a good one');

    my $m = metrics();
    is_deeply($m->by('plum_refused_total', 'reason', %of),
        {credential_mismatch => 3, credential_missing => 1,
            content_type => 1, method => 1, json_invalid => 1,
            event_unlisted => 1, body_too_large => 1}, 'reasons');
    is_deeply($m->by('plum_events_total', 'verdict', %of),
        {accepted => 1, refused => 9}, 'verdicts');
    is_deeply($m->by('plum_dedupe_total', 'result', %of), {off => 1},
        'without a store');
    is_deeply($m->by('plum_secret_matches_total', 'secret', %of),
        {'plum#1' => 3}, 'the right key of three');
    is($m->value('plum_gate_seconds_count', %of), 10, 'each took its time');
    is($m->value('plum_upstream_seconds_count', %of), 1, 'one went on');
    return;
}


# who leaves before there is a verdict is counted by itself

sub aborted {
    my %of = (gate => "$NAME/strict");

    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        uri => '/strict', body => event());
    $t->client(0)->request(%request, hang_up => 'half');

    my $m = metrics_when(sub {
        $_[0]->value('plum_events_total', %of, verdict => 'aborted') });
    is($m->value('plum_events_total', %of, verdict => 'aborted'), 1,
        'a sender that hangs up');
    is($m->value('plum_gate_seconds_count', %of), 11, 'is counted once');
    is(deliver('/strict'), 200, 'and another one');
    return;
}


sub observed {
    my %of = (gate => "$NAME/observe");
    my $body = event();

    is(deliver('/observe', body => $body, secret => 'x' x 20), 200,
        'observed: another key');
    is(deliver('/observe', body => $body), 200, 'observed: good');
    $up->script({status => 503});
    is(deliver('/observe', body => $body, type => 'b'), 503,
        'observed: the upstream fails');

    my $m = metrics();
    is_deeply($m->by('plum_events_total', 'verdict', %of),
        {accepted => 2, refused => 1}, 'what would have happened');
    is_deeply($m->by('plum_forwards_total', 'outcome', %of),
        {success => 2, failure => 1}, 'all were forwarded');
    is($m->value('plum_body_bytes_total', %of, direction => $_),
        3 * length $body, "bytes $_") for qw(in out);
    return;
}


sub elsewhere {
    is(deliver('/static'), 200, 'by way of a named location');
    is(deliver('/regex'), 200, 'a regex');
    is(deliver('/denied'), 403, 'denied before the gate');
    is($t->request(uri => '/mirrored')->status, 200, 'a mirror into a gate');
    is($t->request(uri => '/nowhere')->status, 404, 'no gate');

    my $m = metrics_when(sub { $_[0]->value('plum_refused_total',
        gate => "$NAME/strict", reason => 'subrequest') });
    is_deeply($m->by('plum_events_total', 'verdict',
        gate => "$NAME/static"), {accepted => 1}, 'counted once');
    is_deeply($m->by('plum_forwards_total', 'outcome',
        gate => "$NAME/static"), {success => 1}, 'forwarded once');
    is_deeply($m->by('plum_events_total', 'verdict',
        gate => "$NAME ~ ^/reg(ex)?\$"), {accepted => 1}, 'the regex');
    is_deeply($m->by('plum_events_total', 'verdict',
        gate => "$NAME/denied"), {}, 'what never came to the gate');
    is($m->value('plum_refused_total', gate => "$NAME/strict",
        reason => 'subrequest'), 1, 'the mirror was refused');
    return;
}


sub adds_up {
    my $m = metrics()->adds_up('in the end');

    for my $gate (map { $_->{gate} } $m->labels('plum_events_total',
        verdict => 'refused'))
    {
        my %of = (gate => $gate);
        my $mirrored = $m->value('plum_refused_total', %of,
            reason => 'subrequest');
        is($m->sum('plum_events_total', %of),
            $m->value('plum_gate_seconds_count', %of) + $mirrored,
            "$gate: each request has a time");
        is($m->sum('plum_forwards_total', %of),
            $m->value('plum_upstream_seconds_count', %of),
            'and each forward');
    }
    return;
}


# the wait for a slow sender is not the gate's, that for the upstream neither

sub durations {
    my %of = (gate => "$NAME/static");
    my $sum = sub { metrics()->value("plum_$_[0]_seconds_sum", %of) };
    my ($gate, $upstream) = map { $sum->($_) } qw(gate upstream);

    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        uri => '/static', body => event());
    $up->on('/static', delay => 1);
    is($t->client(0)->request(%request, pieces => 2, delay => 1)->status, 200,
        'a slow sender and upstream');

    cmp_ok($sum->('upstream') - $upstream, '>=', 0.9,
        'the upstream took a second');
    cmp_ok($sum->('gate') - $gate, '<', 0.9, 'the gate did not');
    return;
}


sub without {
    $t->write_conf($CONF =~ s/STATUS/return 204/r);
    ok($t->reload, 'a reload without plum_status');
    is(deliver('/forward'), 200, 'a delivery');

    my ($worker) = $t->workers;
    my $shared = sub { grep { m{/dev/zero|/SYSV|rw-s} && / 0*(\w+) / }
        split /\n/, Test::Plum::_slurp("/proc/$_[0]/maps") };
    my $zones = $shared->($worker);

    $t->write_conf($CONF =~ s/STATUS/plum_status/r);
    ok($t->reload, 'and one with it');
    ($worker) = $t->workers;
    is(scalar($shared->($worker)), $zones + 1, 'it had no zone before');

    is_deeply(metrics()->by('plum_events_total', 'verdict',
        gate => "$NAME/forward"), {}, 'nothing was counted');
    is(deliver('/forward'), 200, 'a delivery');
    is_deeply(metrics()->by('plum_events_total', 'verdict',
        gate => "$NAME/forward"), {accepted => 1}, 'now it is');
    return;
}
