#!/usr/bin/perl

# A delivery that is fresh when it begins and stale when it ends: the sender
# holds back the end of the body, or the request waits for a copy or for a
# store.  The gateway's clock is moved by the test while the request waits, so
# nothing here depends on how fast the machine is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Test::More;
use Test::Plum;
use Test::Plum::Http2;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $SECRET = 'a secret of many bytes 0123456789';
my $NOW = 1_700_000_000;
my $LATER = $NOW + 301;
my ($FAKETIME) = glob '/usr/lib/{*/,}faketime/libfaketime.so.1';

plan(skip_all => 'no libfaketime (Debian: faketime)') if !$FAKETIME;
plan(skip_all => 'an NGINX without --with-debug')
    if `@{[$ENV{TEST_NGINX_BINARY} || 'nginx']} -V 2>&1` !~ /--with-debug/;

my $t = Test::Plum->new(log => 'debug');
my $up = $t->upstream('up');
my $redis = Test::Plum::Redis->new(test => $t);
my %SIGN = (
    'standard-webhooks' => [scheme => 'standard-webhooks'],
    stripe => [scheme => 'stripe'],
    json => [scheme => 'hmac', header => 'x-sig'],
);
my ($serial, $http2) = (0, 'HTTP/2');

$t->secret('plum', $SECRET);
$t->{env} = {
    LD_PRELOAD => $FAKETIME, FAKETIME_TIMESTAMP_FILE => $t->path('clock'),
    FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1,
    FAKETIME_FMT => '%s', TZ => 'UTC',
};
clock($NOW);
configure('');
$t->run;
my @workers = $t->workers;

for my $name (sort keys %SIGN) {
    held_back($name, $_) for [], [chunked => [7]], [version => 'HTTP/1.0'],
        [to => 'tls'], [expect => 1], [to => $http2];
    in_flight($name, $_) for 'fails', 'succeeds';
    slow_store($name);
}
backwards();
off();
observe();
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
cached_time();
$t->done_testing;


# three locations for each set of rules: no store, memory, Redis

sub locations {
    my ($name, $rules) = @_;

    my %more = (
        plain => '', redis => 'plum_idempotency redis;',
        memory => 'plum_idempotency memory in_flight=wait:60s;',
    );
    return map {
        "location /$name/$_ { plum on; $rules; $more{$_}"
            . ' proxy_pass http://127.0.0.1:%%PORT_up%%; }'
    } sort keys %more;
}


sub configure {
    my ($more) = @_;

    my $standard = 'plum_signature standard-webhooks secret=plum';
    my $locations = join "\n", locations('standard-webhooks', $standard),
        locations('observe', "plum_mode observe; $standard"),
        locations('stripe', 'plum_signature stripe secret=plum'),
        locations('json', 'plum_signature hmac secret=plum header=x-sig '
            . 'timestamp=json:created'),
        locations('off', "$standard tolerance=off");

    $t->write_conf(<<"CONF");
%%GLOBALS%%
env LD_PRELOAD;
env FAKETIME_TIMESTAMP_FILE;
env FAKETIME_NO_CACHE;
env FAKETIME_FMT;
env FAKETIME_DONT_FAKE_MONOTONIC;
$more
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '\$http_x_n \$status \$plum_verdict \$plum_reason';
    plum_secret plum %%TESTDIR%%/plum;
    plum_store memory memory:1m;
    plum_store redis redis://127.0.0.1:%%PORT_redis%% timeout=60s;
    plum_allow all;
    plum_capture \$id id;
    plum_idempotency_key \$id;
    plum_tls off;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        listen 127.0.0.1:%%PORT_tls%% ssl;
        %%TLS_SERVER%%
        access_log %%TESTDIR%%/access.log plum;
        $locations
    }
}
CONF
    return;
}


sub clock {
    my ($second) = @_;

    $t->write_file('clock.new', "$second\n");
    rename $t->path('clock.new'), $t->path('clock') or die "rename: $!";
    return;
}


# a delivery of that second; id: of the event

sub signed {
    my ($name, $uri, $second, $id) = @_;

    my $at = strftime('%Y-%m-%d %H:%M:%S', gmtime $second);
    my %request = $t->signed(@{$SIGN{$name}}, secret => $SECRET,
        uri => "/$uri", ts => $second,
        body => qq({"id":"$id","created":"$at"}));
    push @{$request{headers}}, ['x-n', ++$serial];
    return %request;
}


sub bodies {
    my @bodies = map { $_->{body} } $up->requests;
    $up->forget;
    return "@bodies";
}


# the line of the access log of the request with that number

sub logged {
    my ($n) = @_;
    return ($t->wait_log(qr/\A$n /, 5, 'access.log') || 'no line')
        =~ s/\A\d+ //r;
}


# waits until the log has the line n times more than before

my %seen;

sub wait_stage {
    my ($text) = @_;

    my $want = ++$seen{$text};
    return poll_until(sub {
        return $want <= (() = $t->error_log =~ /\Q$text\E$/gm);
    }, 10);
}


# what the debug log has said so far is not waited for

sub forget_stages {
    my ($text) = @_;
    $seen{$text} = () = $t->error_log =~ /\Q$text\E$/gm;
    return;
}


sub good {
    my ($what, $name, $uri) = @_;

    clock($LATER);
    my %request = signed($name, $uri, $LATER, "good-$serial");
    is($t->request(%request)->status, 200, "$what, then a good one");
    is(bodies(), $request{body}, '... which arrives');
    clock($NOW);
    return;
}


# a connection, a sub that sends all but the last byte of a request, one that
# sends this byte, and one that reads the status

sub opened {
    my ($how, %request) = @_;

    my %how = @$how;
    if (($how{to} || '') eq $http2) {
        my $h2 = Test::Plum::Http2->new($t->client('h2'));
        my $stream = $h2->stream;
        return (
            sub { $h2->write($h2->headers($stream, %request)
                . $h2->data($stream, substr $request{body}, 0, -1)) },
            sub { $h2->write($h2->data($stream,
                substr($request{body}, -1), 1)) },
            sub { $h2->answer($stream) });
    }

    my $c = $t->client($how{to} || 0, $how{to} ? (tls => 1) : ());
    my $body = $how{chunked}
        ? Test::Plum::Client::chunks($request{body}, $how{chunked})
        : $request{body};
    return (
        sub {
            $c->write($c->head(%request, @$how));
            $c->_read_one(0) if $how{expect};
            $c->write(substr $body, 0, -1);
        },
        sub { $c->write(substr $body, -1) },
        sub { $c->read_response->status });
}


# the last byte comes when the timestamp is no longer fresh

sub held_back {
    my ($name, $how) = @_;

    my $what = "$name, @$how";
    my $text = 'plum body: -2';

    for my $late (0, 1) {
        my %request = signed($name, "$name/plain", $NOW, "held-$serial");
        my $n = $serial;
        my ($begin, $end, $status) = opened($how, %request);

        forget_stages($text);
        $begin->();
        ok(wait_stage($text), "$what: waits for its body");
        clock($LATER) if $late;
        $end->();

        my $got = $status->() || 0;
        if (!$late) {
            is($got, 200, "$what: in time");
            is(bodies(), $request{body}, '... arrives');
            next;
        }
        isnt($got, 200, "$what: too late");
        is(logged($n), '401 refused timestamp_stale', '... is stale');
        is(bodies(), '', '... and not forwarded');
    }
    good($what, $name, "$name/plain");
    return;
}


# a copy is being forwarded, and the clock moves before that has an end

sub in_flight {
    my ($name, $end) = @_;

    my $what = "$name, in flight, the first $end";
    my $text = 'plum claim: -2';
    my $id = "copy-$serial";
    my %first = signed($name, "$name/memory", $NOW, $id);
    my %second = signed($name, "$name/memory", $NOW, $id);
    my $n = $serial;
    my ($one, $two) = map { $t->client(0) } 1, 2;

    $up->script({gate => $what, status => $end eq 'fails' ? 500 : 200});
    $one->request(%first, no_read => 1);
    is(scalar(() = $up->wait_for(1)), 1, "$what: forwarded");
    forget_stages($text);
    $two->request(%second, no_read => 1);
    ok(wait_stage($text), "$what: a copy waits");

    clock($LATER);
    $up->open_gate($what);
    is($one->read_response->status, $end eq 'fails' ? 500 : 200,
        "$what: the first");
    is($two->read_response->status, 401, "$what: the copy");
    is(logged($n), '401 refused timestamp_stale', '... is stale');
    is(bodies(), $first{body}, '... and not forwarded');

    # what the late one held is free for an attempt that is fresh
    my %third = signed($name, "$name/memory", $LATER, $id);
    is($t->request(%third)->status, 200, "$what: a fresh attempt");
    is(bodies(), $end eq 'fails' ? $third{body} : '', '... once in all');
    clock($NOW);
    return;
}


# the store does not answer until the timestamp is stale

sub slow_store {
    my ($name) = @_;

    my $what = "$name, a slow store";
    my $text = 'plum claim: -2';
    my $id = "slow-$serial";
    is($t->request(signed($name, "$name/redis", $NOW, "warm-$serial"))
        ->status, 200, "$what: connected");
    bodies();

    my %request = signed($name, "$name/redis", $NOW, $id);
    my $n = $serial;
    my $c = $t->client(0, timeout => 60);

    $redis->freeze;
    forget_stages($text);
    $c->request(%request, no_read => 1);
    ok(wait_stage($text), "$what: waits");
    clock($LATER);
    $redis->thaw;
    is($c->read_response->status, 401, "$what: too late");
    is(logged($n), '401 refused timestamp_stale', '... is stale');
    is(bodies(), '', '... and not forwarded');

    my %again = signed($name, "$name/redis", $LATER, $id);
    is($t->request(%again)->status, 200, "$what: the claim was released");
    is(bodies(), $again{body}, '... a fresh attempt arrives');
    clock($NOW);
    return;
}


# a clock that is set back makes a delivery one of the future

sub backwards {
    my %request = signed('stripe', 'stripe/plain', $NOW, 'back');
    my $n = $serial;
    my ($begin, $end, $status) = opened([], %request);

    forget_stages('plum body: -2');
    $begin->();
    ok(wait_stage('plum body: -2'), 'set back: waits for its body');
    clock($NOW - 301);
    $end->();
    is($status->(), 401, 'set back: refused');
    is(logged($n), '401 refused timestamp_stale', '... as stale');
    good('set back', 'stripe', 'stripe/plain');
    return;
}


sub off {
    my %request = signed('standard-webhooks', 'off/plain', $NOW, 'off');
    my ($begin, $end, $status) = opened([], %request);

    forget_stages('plum body: -2');
    $begin->();
    ok(wait_stage('plum body: -2'), 'tolerance=off: waits for its body');
    clock($LATER);
    $end->();
    is($status->(), 200, 'tolerance=off: whenever it ends');
    is(bodies(), $request{body}, '... it arrives');
    clock($NOW);
    return;
}


# nothing is refused, but said; and the claim is free

sub observe {
    my $name = 'standard-webhooks';
    my %request = signed($name, 'observe/plain', $NOW, 'observe-1');
    my $n = $serial;
    my ($begin, $end, $status) = opened([], %request);

    forget_stages('plum body: -2');
    $begin->();
    ok(wait_stage('plum body: -2'), 'observe: waits for its body');
    clock($LATER);
    $end->();
    is($status->(), 200, 'observe: passes');
    is(logged($n), '200 refused timestamp_stale', '... and would not');
    like($t->error_log, qr/plum: would refuse \(timestamp_stale\)/,
        '... as the log says');
    clock($NOW);
    bodies();

    $t->request(signed($name, 'observe/redis', $NOW, 'warm'));
    bodies();
    my $records = $redis->command('DBSIZE');
    %request = signed($name, 'observe/redis', $NOW, 'observe-2');
    $n = $serial;
    my $c = $t->client(0, timeout => 60);
    $redis->freeze;
    forget_stages('plum claim: -2');
    $c->request(%request, no_read => 1);
    ok(wait_stage('plum claim: -2'), 'observe: waits for the store');
    clock($LATER);
    $redis->thaw;
    is($c->read_response->status, 200, 'observe: passes');
    is(logged($n), '200 refused timestamp_stale', '... and would not');
    is(bodies(), $request{body}, '... arrives as it is');
    clock($NOW);

    # the upstream's success is not recorded for what would be refused
    ok(poll_until(sub { $redis->command('DBSIZE') == $records }, 10),
        'observe: no record is left');
    return;
}


# NGINX may look at the clock once an hour; a tolerance does not wait for it

sub cached_time {
    ok($t->quit, 'the gateway quits');
    configure('timer_resolution 1h;');
    $t->run;

    for my $name (sort keys %SIGN) {
        my %request = signed($name, "$name/plain", $NOW, "cached-$serial");
        is($t->request(%request)->status, 200, "$name, cached time: fresh");
        is(bodies(), $request{body}, '... arrives');
        clock($LATER);
        %request = signed($name, "$name/plain", $NOW, "cached-$serial");
        is($t->request(%request)->status, 401, "$name, cached time: stale");
        is(bodies(), '', '... is not forwarded');
        good("$name, cached time", $name, "$name/plain");
    }
    return;
}
