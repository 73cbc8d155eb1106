#!/usr/bin/perl

# The memory store: shared by all workers, kept over a reload, never larger
# than its zone, and no worker takes a claim along when it dies.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new(workers => 4);
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events { worker_connections 2048; }
http {
    %%HTTP_GLOBALS%%
    log_format plum '$pid $uri $status [$plum_verdict] [$plum_reason] '
                    '[$plum_dedupe]';
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:1m;
    plum_store small memory:64k;
    plum_store tiny memory:32k;
    plum_store answers memory:64k;

    upstream u {
        server 127.0.0.1:%%PORT_up%%;
        keepalive 16;
    }

    server {
        listen 127.0.0.1:%%PORT_0%% reuseport;
        access_log %%TESTDIR%%/access.log plum;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture $id id;
        plum_idempotency_key $id;

        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_pass_request_headers off;

        location / {
            plum on;
            plum_idempotency deliveries in_flight=refuse lease=2s;
            proxy_pass http://u;
        }
        location /small {
            plum on;
            plum_idempotency small in_flight=refuse;
            proxy_pass http://u;
        }
        location /tiny {
            plum on;
            plum_idempotency tiny in_flight=refuse;
            proxy_pass http://u;
        }
        location /tiny/forward {
            plum on;
            plum_idempotency tiny in_flight=refuse unavailable=forward;
            proxy_pass http://u;
        }
        location /answers {
            plum on;
            plum_ack off;
            plum_idempotency answers in_flight=refuse answer=8k;
            proxy_pass http://u;
        }
    }
}
CONF
$t->run;

my $id = 0;

shared();
reloaded();
killed();
forgets();
answers_are_forgotten();
full_of_pending();

$t->done_testing;


sub signed { return $t->signed($t->keyed($SECRET, @_)) }


sub deliver {
    return $t->request(signed(@_))->status;
}


# its request is sent and has reached the upstream, its answer is not there

sub pending {
    my ($uri, $key, $gate) = @_;

    $up->forget;
    $up->script({gate => $gate});
    my $client = $t->client(0, timeout => 20);
    $client->request(signed($uri, $key), no_read => 1);
    is(scalar(() = $up->wait_for(1)), 1, "$uri: one is under way");
    return $client;
}


sub forwarded { return scalar(my @all = $up->requests) }
sub next_id { return 'e' . ++$id }


sub shared {
    my $key = next_id();
    $up->forget;
    is(join(' ', map { deliver('/shared', $key) } 1 .. 40),
        join(' ', (200) x 40), 'copies for all workers');
    is(forwarded(), 1, 'one is forwarded');

    my %pid;
    poll_until(sub {
        %pid = map { m{^(\d+) /shared } ? ($1 => 1) : () }
            split /\n/, $t->read_file('access.log');
        return keys %pid > 1;
    }, 2);
    cmp_ok(scalar keys %pid, '>', 1, 'by several workers');
    return;
}


sub reloaded {
    my ($done, $open) = (next_id(), next_id());

    is(deliver('/', $done), 200, 'one before the reload');
    my $first = pending('/', $open, 'reload');
    ok($t->reload, 'reload');

    is(deliver('/', $done), 200, 'its copy');
    is(deliver('/', $open), 409, 'a copy of what is under way');
    is(forwarded(), 1, 'neither is forwarded');

    $up->open_gate('reload');
    is($first->read_response->status, 200, 'the old worker answers');
    is(deliver('/', $open), 200, 'its copy to a new one');
    is(forwarded(), 1, 'it knows');
    return;
}


sub killed {
    my $key = next_id();
    my $first = pending('/', $key, 'never');

    ok($t->kill_worker($_), 'a worker is killed') for $t->workers;
    is($first->read_response->status, 0, 'the sender hears nothing');

    # the lease may have lapsed meanwhile on a slow machine
    like(deliver('/', $key), qr/\A(?:409|200)\z/, 'its claim is left');
    ok(poll_until(sub { return deliver('/', $key) == 200 }, 20),
        'until its lease lapses');
    is(forwarded(), 2, 'then the retry is forwarded');
    is(deliver('/', $key), 200, 'and remembered');
    is(forwarded(), 2, 'as ever');
    return;
}


# far more deliveries than the zone has room for

sub forgets {
    my $open = 'open-' . next_id();
    my $first = pending('/small', $open, 'forgets');
    my $n = 1500;

    my $client = $t->client(0);
    my %status;
    for my $i (1 .. $n) {
        $status{$t->deliver(scheme => 'github', secret => $SECRET,
            uri => '/small', body => qq({"id":"many-$i"}),
            client => $client)->status}++;
    }
    is_deeply(\%status, {200 => $n}, 'all are accepted');
    is(forwarded(), $n + 1, 'and forwarded');

    is(deliver('/small', "many-$n"), 200, 'the last one again');
    is(forwarded(), $n + 1, 'is remembered');
    is(deliver('/small', 'many-1'), 200, 'the first one again');
    is(forwarded(), $n + 2, 'was forgotten');
    ok($t->wait_log(qr/\[warn\].*store "small" is full: forgetting/),
        'and that is said');

    is(deliver('/small', $open), 409, 'what is under way is not forgotten');
    $up->open_gate('forgets');
    is($first->read_response->status, 200, 'its answer');
    is(deliver('/small', $open), 200, 'then its copy');
    is(forwarded(), $n + 2, 'is a duplicate');
    return;
}


# answers are of all sizes; one that has no room costs nobody his claim

sub answers_are_forgotten {
    my $first = pending('/answers', 'open', 'answers');
    my @sizes = (1, 100, 3000, 8000, 20);

    for my $i (1 .. 60) {
        my $size = $sizes[$i % @sizes];
        $up->answer(body => 'a' x $size);
        my ($one, $again) = map {
            $t->request(signed('/answers', "a$i"))
        } 1 .. 2;
        is(length $one->body, $size, "an answer of $size")
            if $one->status != 200 || length $one->body != $size;
        fail("duplicate $i: " . $again->status . ' ' . length $again->body)
            if $again->status != 200
                || ($again->body ne '' && $again->body ne $one->body);
    }
    $up->answer;
    is(forwarded(), 61, 'each is forwarded once');
    is(deliver('/answers', 'open'), 409, 'the one under way is still there');
    $up->open_gate('answers');
    is($first->read_response->status, 200, 'its answer');
    return;
}


# claims that cannot be forgotten fill the zone

sub full_of_pending {
    my $long = 'k' x 200;
    $up->forget;
    $up->on('/tiny', gate => 'tiny');

    my @clients = map { $t->client(0, timeout => 20) } 1 .. 120;
    for my $i (0 .. $#clients) {
        $clients[$i]->request(signed('/tiny', "$long$i"), no_read => 1);
    }

    ok($t->wait_log(qr/\[error\].*store "tiny" is full of pending claims/),
        'full of pending claims');
    my $r = $t->request(signed('/tiny', "$long more"));
    is($r->status, 503, 'one more is refused');
    is($r->header('retry-after'), 1, 'and told when to come again');
    ok($t->wait_log(qr/ 503 \[refused\] \[store_unavailable\] /, 3,
        'access.log'), 'the reason');

    is(deliver('/tiny/forward', "$long other"), 200, 'unavailable=forward');
    ok($t->wait_log(qr{/tiny/forward 200 \[accepted\] \[-\] \[unavailable\]},
        3, 'access.log'), 'is in the log');

    $up->open_gate('tiny');
    my (%count, $known);
    for my $i (0 .. $#clients) {
        my $status = $clients[$i]->read_response->status;
        $count{$status}++;
        $known = $i if $status == 200;
    }
    is(join(' ', sort keys %count), '200 503', 'accepted or refused');
    cmp_ok($count{200}, '>=', 20, 'the zone held ' . $count{200});
    is(scalar(grep { $_->{uri} eq '/tiny' } $up->requests), $count{200},
        'who was accepted was forwarded');

    $up->forget;
    is(deliver('/tiny', "$long$known"), 200, 'one of them again');
    is(forwarded(), 0, 'it is known');
    is(deliver('/tiny', "$long more"), 200, 'there is room again');
    is(forwarded(), 1, 'for the one refused before');
    return;
}
