#!/usr/bin/perl

# Deliveries over HTTP/3: with a length and without, refusals before the body
# is there, senders that give up at every moment, client certificates, early
# data and a bounded shutdown.  By curl, and a frame at a time by a client of
# our own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Http3;
use Test::Plum::Process qw(poll_until run_command);

my $SECRET = 'a secret of many bytes 0123456789';
my $BODY = '{"id":"e0","x":"kept out"}';

my $t = Test::Plum->new;

# a static module, or none: -V says it all the same
my (undef, $built) = run_command($ENV{TEST_NGINX_BINARY} || 'nginx', '-V');
plan(skip_all => 'this NGINX has no HTTP/3')
    if $built !~ /--with-http_v3_module/;

my (undef, $curl) = run_command('curl', '--version');
my $NO_CURL = $curl =~ /\bHTTP3\b/ ? undef : 'this curl has no HTTP/3';
my $NO_CLIENT = Test::Plum::Http3::missing();

my $up = $t->upstream('up');
my $serial = 0;

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
worker_shutdown_timeout 1s;
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $server_protocol $plum_tls_version '
                    '[$plum_verdict] [$plum_reason] [$plum_dedupe]';
    plum_secret plum %%TESTDIR%%/plum;
    plum_allowlist id { allow id; }
    plum_store deliveries memory:1m;

    plum_signature github secret=plum;
    plum_allow id;
    plum_capture $id id;
    plum_idempotency deliveries in_flight=wait:20s;
    plum_idempotency_key $id;

    %%TLS_SERVER%%
    ssl_protocols TLSv1.3;
    ssl_early_data on;
    ssl_client_certificate %%TESTDIR%%/ca.crt;
    client_body_timeout 2s;

    # silence of so long ends a connection
    keepalive_timeout 10s;

    # a certificate of this server is none for the other
    server {
        listen 127.0.0.1:%%PORT_quic%% quic default_server;
        server_name default.test;
        ssl_client_certificate %%TESTDIR%%/other-ca.crt;
        ssl_verify_client optional;
        return 204;
    }

    server {
        listen 127.0.0.1:%%PORT_quic_brief%% quic default_server;
        keepalive_timeout 1s;
        return 204;
    }

    server {
        listen 127.0.0.1:%%PORT_quic%% quic;
        listen 127.0.0.1:%%PORT_quic_brief%% quic;
        server_name localhost;
        access_log %%TESTDIR%%/access.log plum;
        ssl_verify_client optional;

        location / {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /small {
            plum on;
            plum_max_body 1000;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /streamed {
            plum on;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /pass {
            plum on;
            plum_ack off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /answer {
            plum on;
            plum_ack off;
            plum_idempotency deliveries in_flight=wait:20s answer=1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /any {
            plum on;
            plum_idempotency off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /off {
            plum on;
            plum_tls off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /certificate {
            plum on;
            plum_tls TLSv1.3 client_certificate;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;

my @workers = $t->workers;

SKIP: {
    skip $NO_CURL, 1 if $NO_CURL;
    by_curl();
}

SKIP: {
    skip $NO_CLIENT, 1 if $NO_CLIENT;
    framed();
    before_the_body();
    cut_uploads();
    hang_ups();
    certificates();
    early_data();
}

is(join(' ', $t->workers), "@workers", 'the worker of the beginning');

SKIP: {
    skip $NO_CLIENT, 1 if $NO_CLIENT;
    shutdown_timeout();
}
$t->done_testing;


# a delivery of an event of its own, unless a body is given

sub signed {
    my (%opt) = @_;

    $opt{body} = $BODY =~ s/e0/'e' . ++$serial/er if !defined $opt{body};
    return $t->signed(scheme => 'github', secret => $SECRET, %opt);
}


# what arrived for a URI: body, Content-Length, Transfer-Encoding

sub forwarded {
    my ($uri) = @_;

    return join "\n", map { join ' ', $_->{body},
        map { defined $_ ? $_ : '-' } $up->header($_, 'content-length'),
        $up->header($_, 'transfer-encoding') }
        grep { $_->{uri} eq $uri } $up->requests;
}


sub logged {
    my ($uri) = @_;

    my $line = $t->wait_log(qr/^\Q$uri\E /, 20, 'access.log');
    return defined $line ? $line =~ s/^\S+ //r : 'nothing';
}


sub uri { return "$_[0]?n=" . ++$serial }


# one that is forwarded clean, whoever sends it

sub accepted {
    my ($what, $send, %opt) = @_;

    my $uri = uri($opt{uri} || '/');
    my %request = signed(%opt, uri => $uri);
    my ($id) = $request{body} =~ /"id":"([^"]+)"/;
    my $clean = qq({"id":"$id"});

    my $status = $send->(%request);
    is($status, 200, "$what: accepted");
    is(forwarded($uri), $clean . ' ' . length($clean) . ' -', "$what: clean");
    is(logged($uri), '200 HTTP/3.0 TLSv1.3 [accepted] [-] [new]',
        "$what: log");
    return %request;
}


sub refused {
    my ($what, $expected, $send, %opt) = @_;

    my $uri = uri($opt{uri} || '/');
    my %request = (signed(%opt, uri => $uri), %{$opt{but} || {}});
    my ($status, $reason) = split / /, $expected;

    is($send->(%request), $status, "$what: refused");
    is(forwarded($uri), '', "$what: not forwarded");
    is(logged($uri), "$status HTTP/3.0 TLSv1.3 [refused] [$reason] [-]",
        "$what: log");
    return;
}


# curl (8.14) fails if the server stops the upload before curl has read the
# answer, so a request that is refused before its body is sent again

sub curl {
    my (%more) = @_;

    return sub {
        for (1 .. 50) {
            my $r = $t->client('quic', tls => 1, %more)->h3(@_);
            return $r->status
                if !$r->error || $r->error !~ /send \d+ bytes to QUIC/;
        }
        return 0;
    };
}


sub by_curl {
    my $large = '{"x":"' . 'y' x 200_000 . '","id":"large"}';

    for my $uri ('/', '/streamed') {
        my %request = accepted("curl, $uri", curl(), uri => $uri);
        is(curl()->(%request), 200, "curl, $uri: a copy is acknowledged");
        is(scalar(grep { $_->{uri} eq $request{uri} } $up->requests), 1,
            "curl, $uri: and not forwarded");

        accepted("curl, $uri, no length", curl(), uri => $uri,
            no_length => 1);
        accepted("curl, $uri, large", curl(), uri => $uri,
            body => $large =~ s/large/large $uri/r);
        accepted("curl, $uri, large, no length", curl(), uri => $uri,
            no_length => 1, body => $large =~ s/large/no length $uri/r);
    }

    my @small = (uri => '/small', body => '{"id":"' . 'x' x 1000 . '"}');
    my %sent = (
        'another method' => ['405 method', but => {method => 'PUT'}],
        'another type' => ['415 content_type',
            headers => {'content-type' => 'text/plain'}],
        'another body' => ['401 credential_mismatch',
            but => {body => '{"id":"other"}'}],
        'no credential' => ['401 credential_missing',
            headers => {'x-hub-signature-256' => undef}],
        'too large' => ['413 body_too_large', @small],
        'too large, no length' => ['413 body_too_large', @small,
            no_length => 1],
        'Early-Data' => ['425 early_data', headers => {'early-data' => 1}],
        'no certificate' => ['403 client_certificate',
            uri => '/certificate'],
    );
    for my $what (sort keys %sent) {
        refused("curl, $what", $sent{$what}[0], curl(),
            @{$sent{$what}}[1 .. $#{$sent{$what}}]);
        accepted("curl, $what, then a good one", curl());
    }
    accepted('curl, a certificate', curl(cert => 'client'),
        uri => '/certificate');
    return;
}


# --- a frame at a time

my $h3;

sub connected {
    my (%opt) = @_;

    $h3 ||= Test::Plum::Http3->new($t, 'quic');
    return $h3->connect(%opt);
}


# sends a request on the connection that there is, in frames of these sizes

sub frames {
    my (@sizes) = @_;

    return sub {
        my (%request) = @_;
        my $stream = $h3->open(%request);
        my $rest = $request{body};
        $h3->data($stream, substr $rest, 0, $_, '') for @sizes;
        $h3->data($stream, $rest, 1);
        return $h3->answer($stream)->{status};
    };
}


sub framed {
    connected();
    my $size = length $BODY;

    for my $uri ('/', '/streamed') {
        for my $length ([], [length => undef]) {
            my $what = "$uri, " . (@$length ? 'no length' : 'a length');
            my @opt = (uri => $uri, @$length);
            accepted("$what, a frame", frames(), @opt);
            accepted("$what, a byte in each", frames((1) x $size), @opt);
            accepted("$what, nothing in the last", frames($size), @opt);
        }
    }

    # what is announced is not what comes; whoever finds it
    for my $length ($size - 1, $size + 1) {
        my $uri = uri('/');
        my $stream = $h3->open(signed(uri => $uri), length => $length);
        $h3->data($stream, $BODY, 1);
        isnt($h3->answer($stream)->{status}, 200, "$length for $size");
        is(forwarded($uri), '', "$length for $size: not forwarded");
        connected();
        accepted("$length for $size, then a good one", frames());
    }
    $h3->close;
    return;
}


# the answer is there, and no byte of the body was sent

sub before_the_body {
    my %sent = (
        'another method' => ['405 method', but => {method => 'PUT'}],
        'another type' => ['415 content_type',
            headers => {'content-type' => 'text/plain'}],
        'no credential' => ['401 credential_missing',
            headers => {'x-hub-signature-256' => undef}],
        'a bad credential' => ['401 credential_malformed',
            headers => {'x-hub-signature-256' => 'sha256=zz'}],
        'too large' => ['413 body_too_large', uri => '/small',
            body => '{"id":"' . 'x' x 1000 . '"}'],
        'no certificate' => ['403 client_certificate',
            uri => '/certificate'],
    );
    my $send = sub {
        my $stream = $h3->open(@_);
        return $h3->answer($stream)->{status};
    };

    for my $what (sort keys %sent) {
        connected();
        refused("before the body, $what", $sent{$what}[0], $send,
            @{$sent{$what}}[1 .. $#{$sent{$what}}]);
        accepted("before the body, $what, then a good one", frames());
        $h3->close;
    }
    return;
}


# a body whose rest does not come

sub cut_uploads {
    my %cut = (
        'taken back' => sub { $h3->reset($_[0]) },
        'closed' => sub { $h3->close },
        'vanished' => sub { $h3->vanish },
    );
    for my $what (sort keys %cut) {
        for my $length ([], [length => undef]) {
            my $case = "cut, $what, " . (@$length ? 'no length' : 'a length');
            my $uri = uri('/');
            connected();
            my $stream = $h3->open(signed(uri => $uri), @$length);
            $h3->data($stream, substr $BODY, 0, 10);
            # the server has the first half once it answers what follows it
            accepted("$case, meanwhile", frames());
            $cut{$what}->($stream);

            like(logged($uri), qr{^(?:000|4\d\d) HTTP/3\.0 TLSv1\.3 \[-?\] },
                "$case: log");
            is(forwarded($uri), '', "$case: not forwarded");
            connected() if $what ne 'taken back';
            accepted("$case, then a good one", frames());
            $h3->close;
        }
    }
    return;
}


# A sender that leaves after its request, at once or when the server takes its
# silence for that: the forward ends by what the upstream does.

sub hang_ups {
    for my $leave ('close', 'vanish') {
        for my $to ('/', '/pass', '/answer') {
            my $uri = uri($to);
            my %request = signed(uri => $uri);
            my $what = "$leave, $to";
            my $gone = scalar(() = $t->error_log =~ /the forward goes on/g);

            $up->script({gate => $what =~ tr{/, }{-}r, body => 'done'});
            connected(port => 'quic_brief');
            $h3->data($h3->open(%request), $request{body}, 1);
            ok(poll_until(sub { forwarded($uri) ne '' }, 20),
                "$what: the upstream has it");
            $h3->$leave;
            ok(poll_until(sub { $gone < (() = $t->error_log
                =~ /the forward goes on/g) }, 20), "$what: it is noticed");

            # a copy waits for the first
            connected();
            my $stream = $h3->open(%request);
            $h3->data($stream, $request{body}, 1);
            $up->open_gate($what =~ tr{/, }{-}r);
            my $answer = $h3->answer($stream);
            is($answer->{status}, 200, "$what: the copy");
            is($answer->{body}, 'done', "$what: gets the answer")
                if $to eq '/answer';
            is(scalar(grep { $_->{uri} eq $uri } $up->requests), 1,
                "$what: one was forwarded");
            accepted("$what, then a good one", frames());
            $h3->close;
        }
    }

    # one that wants no answer, on a connection that goes on
    my $stopped = uri('/');
    my %stopped = signed(uri => $stopped);
    $up->script({gate => 'stopped'});
    connected();
    my $stream = $h3->open(%stopped);
    $h3->data($stream, $stopped{body}, 1);
    ok(poll_until(sub { forwarded($stopped) ne '' }, 20), 'stopped: forwarded');
    $h3->stop($stream);
    is(frames()->(signed(uri => uri('/off'))), 200, 'stopped: has arrived');
    $up->open_gate('stopped');
    is(frames()->(%stopped), 200, 'stopped: a copy');
    is(scalar(grep { $_->{uri} eq $stopped } $up->requests), 1,
        'stopped: one was forwarded');
    $h3->close;

    # a copy that is left behind while it waits
    my $uri = uri('/');
    my %request = signed(uri => $uri);
    $up->script({gate => 'copies'});
    connected();
    my $first = $h3->open(%request);
    $h3->data($first, $request{body}, 1);
    ok(poll_until(sub { forwarded($uri) ne '' }, 20), 'copies: the first');

    my $other = Test::Plum::Http3->new($t, 'quic');
    $other->connect;
    $other->data($other->open(%request), $request{body}, 1);
    is($other->request(signed(uri => uri('/off')))->{status}, 200,
        'copies: the second waits');
    $other->close;

    $up->open_gate('copies');
    is($h3->answer($first)->{status}, 200, 'copies: the first is answered');
    is(scalar(grep { $_->{uri} eq $uri } $up->requests), 1,
        'copies: one was forwarded');
    $h3->close;
    return;
}


sub certificates {
    my @to = (uri => '/certificate');

    connected(cert => 'client');
    accepted('a certificate', frames(), @to);
    $h3->close;
    connected();
    refused('no certificate', '403 client_certificate', frames(), @to);
    accepted('no certificate, then a good one', frames());
    $h3->close;

    # of the default server
    for my $name ('nobody.test', 'default.test') {
        my $uri = uri('/certificate');
        connected(name => $name, cert => 'stranger');
        like(frames()->(signed(uri => $uri)), qr/^(?:403|421)$/,
            "a certificate of another server, $name");
        is(forwarded($uri), '', "$name: not forwarded");
        $h3->close;
    }
    return;
}


# what can be sent again by who has seen it

sub early_data {
    my $early;

    for my $uri ('/', '/off') {
        connected();
        accepted("$uri, a session", frames(), uri => $uri);
        $h3->close;

        my $second = uri($uri);
        connected(early => 1);
        my %request = signed(uri => $second);
        my $stream = $h3->open(%request);
        $h3->data($stream, $request{body}, 1);
        my $answer = $h3->answer($stream);
        $early = $answer->{early};

        my $status = $early && $uri eq '/' ? 425 : 200;
        is($answer->{status}, $status, "$uri, resumed: answer");
        is(forwarded($second) eq '' ? 425 : 200, $status,
            "$uri, resumed: forwarded or not");
        accepted("$uri, then a good one", frames());
        $h3->close;
    }

    SKIP: {
        skip 'this NGINX takes no early data over HTTP/3', 1 if !$early;
        pass('early data was taken');
    }
    return;
}


# A worker that shuts down does not wait for an upstream beyond
# worker_shutdown_timeout, whether the sender is still there or not, and with
# a claim or without one.  The upstream is asked for no longer than that: the
# gate stays closed, and the log has a line of each request.

sub shutdown_timeout {
    my (@uris, @stay);

    for my $leaves (0, 1) {
        for my $to ('/', '/any') {
            my $uri = uri($to);
            my %request = signed(uri => $uri);
            my $one = Test::Plum::Http3->new($t, 'quic');

            $up->script({gate => 'never'});
            $one->connect;
            $one->data($one->open(%request), $request{body}, 1);
            ok(poll_until(sub { forwarded($uri) ne '' }, 20),
                "shutdown, $uri: the upstream has it");
            $one->close if $leaves;
            push @stay, $one;
            push @uris, $uri;
        }
    }

    ok($t->reload, 'reload');
    like(logged($_), qr{^\d+ HTTP/3\.0 TLSv1\.3 \[accepted\] },
        "shutdown, $_: the forward is cut") for @uris;

    $up->script({});
    connected();
    accepted('after the shutdown', frames());
    $h3->close;
    return;
}
