#!/usr/bin/perl

# What is refused for its head alone, in which order, before a byte of the
# body is asked for; and the ways around the gate that there are not.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;

my $SECRET = 'correct horse battery staple';
my $BODY = '{"id":1,"x":2}';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('key', $SECRET);
$t->write_file('users', "plum:{PLAIN}plum\n");
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $plum_verdict $plum_reason';

    plum_secret key %%TESTDIR%%/key;
    plum_allowlist clean { allow id; }
    plum_signature github secret=key;
    plum_allow clean;
    plum_tls off;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%TESTDIR%%/access.log plum;

        location / {
            plum on;
            plum_max_body 1000;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /denied {
            deny all;
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /any {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            auth_basic plum;
            auth_basic_user_file %%TESTDIR%%/users;
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /either {
            satisfy any;
            deny all;
            auth_basic plum;
            auth_basic_user_file %%TESTDIR%%/users;
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /except {
            limit_except POST {
                deny all;
            }
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /others {
            limit_except GET {
                allow 127.0.0.1;
                deny all;
            }
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /if {
            plum on;
            if ($request_method = POST) {
                set $a b;
            }
            if ($http_x_other) {
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /nested {
            plum on;
            location /nested/deep {
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
        }

        location /codes {
            plum on;
            plum_max_body 1000;
            plum_refuse method content_type content_encoding 400;
            plum_refuse body_too_large 507;
            plum_refuse credential_missing credential_mismatch 404;
            plum_refuse json_invalid 599;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /quiet {
            plum on;
            plum_log_level info;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /loud {
            plum on;
            plum_log_level error;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /mirrored {
            plum on;
            mirror /copy;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location = /copy {
            internal;
            proxy_pass http://127.0.0.1:%%PORT_up%%/copied;
        }

        location /mirror {
            mirror /guarded;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /asking {
            auth_request /guarded;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location = /guarded {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%/guarded;
        }
    }
}
CONF
$t->run;

methods();
types();
order();
expectations();
access();
places();
codes();
subrequests();
$t->done_testing;


# one delivery: "200", or a status and the reason of its refusal ("-": by
# NGINX itself), and then nothing at the upstream, and a good one

sub deliver {
    my ($what, $expected, %opt) = @_;

    my ($status, $reason) = split / /, $expected;
    my $uri = ($opt{uri} || '/') . '?n=' . ++$serial;
    my %request = (scheme => 'github', secret => $SECRET, body => $BODY, %opt,
        uri => $uri);

    my $r = $t->deliver(%request);
    is($r->status, $status, "$what: status") or diag($r->error || '');

    my $verdict = !$reason ? 'accepted -'
        : $reason eq '-' ? '- -' : "refused $reason";
    is($t->wait_log(qr/^\Q$uri\E /, 3, 'access.log'),
        "$uri $status $verdict", "$what: log");
    my @got = grep { $_->{uri} eq $uri } $up->requests;
    is(join(' ', map { "$_->{method} $_->{body}" } @got),
        $reason ? '' : 'POST {"id":1}', "$what: forwarded or not");
    deliver("$what, then a good one", 200) if $reason;
    return $r;
}


sub methods {
    for my $method (qw(GET HEAD PUT DELETE PATCH OPTIONS PLUM POSTS)) {
        my $r = deliver($method, '405 method', method => $method);
        is($r->header('allow'), 'POST', "$method: Allow");
    }
    deliver('GET without a body', '405 method', method => 'GET',
        length => undef, body => '');

    # without a body: curl stumbles over an answer that comes before its end
    my $r = $t->client('h2')->h2(method => 'GET');
    is($r->status, 405, 'GET, HTTP/2');
    is($r->header('allow'), 'POST', 'GET, HTTP/2: Allow');
    return;
}


sub types {
    my $type = sub {
        my ($expected, @types) = @_;
        deliver('type ' . join('|', map { $_ || '' } @types), $expected,
            headers => [map { ['content-type', $_] } @types]);
    };
    my $bad = '415 content_type';

    $type->(200, $_) for 'application/json', 'Application/JSON',
        'application/json; charset=utf-8', 'application/json;charset=UTF-8',
        'application/json ; a=b', 'application/vnd.plum+json',
        'application/vnd.plum.v1+JSON; charset=utf-8';
    $type->($bad, $_) for '', 'text/plain', 'text/json', 'json', ';',
        'application/x-www-form-urlencoded', 'application/jsonp',
        'application/json2', 'application/', 'application/+json', '+json',
        'application/xml+json2', 'application/json, text/plain',
        'application/ json', 'text/plain; application/json';
    $type->($bad, undef);
    $type->($bad, 'application/json', 'application/json');
    $type->($bad, 'application/json', 'text/plain');

    my $coding = sub {
        my ($expected, @codings) = @_;
        deliver("coding @codings", $expected,
            headers => [map { ['content-encoding', $_] } @codings]);
    };
    $coding->(200, $_) for 'identity', 'Identity';
    $coding->('415 content_encoding', @$_) for ['gzip'], ['br'], [''],
        ['identity, gzip'], ['identity', 'identity'], ['x'];
    return;
}


# who is not known learns nothing of what comes after: each request has all
# faults from its own on

sub order {
    my @faults = (
        ['405 method', method => 'PUT'],
        ['415 content_type', 'content-type' => 'text/plain'],
        ['415 content_encoding', 'content-encoding' => 'gzip'],
        ['413 body_too_large', body => '{' . 'x' x 1000],
        ['401 credential_missing', 'x-hub-signature-256' => undef],
        ['401 credential_malformed', 'x-hub-signature-256' => 'sha256=xyz'],
        ['401 credential_mismatch', secret => 'another key'],
        ['400 json_invalid', body => '{'],
    );

    for my $first (0 .. $#faults) {
        my %opt = (body => '{', headers => {});
        for my $fault (reverse @faults[$first .. $#faults]) {
            my ($reason, $name, $value) = @$fault;
            my $to = $name =~ /-/ ? $opt{headers} : \%opt;
            $to->{$name} = $value;
        }
        deliver("in order: $faults[$first][0]", $faults[$first][0], %opt);
    }
    return;
}


sub expectations {
    my %late = (expect => 1);

    my $r = deliver('a good one, expected', 200, %late);
    ok($r->continued, 'which was asked to go on');

    my %case = (
        '405 method' => {method => 'PUT'},
        '415 content_type' => {headers => {'content-type' => 'text/plain'}},
        '415 content_encoding' => {headers => {'content-encoding' => 'br'}},
        '413 body_too_large' => {body => 'x' x 1001},
        '401 credential_missing' =>
            {headers => {'x-hub-signature-256' => undef}},
        '401 credential_malformed' =>
            {headers => {'x-hub-signature-256' => 'sha256=x'}},
    );
    for my $expected (sort keys %case) {
        my $c = $t->client(0);
        my $uri = '/?n=' . ++$serial;
        $r = $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
            body => $BODY, %late, client => $c, no_read => 1,
            %{$case{$expected}});
        my ($status) = split / /, $expected;
        is($r->status, $status, "$expected: before any 100");
        is($r->header('connection'), 'close', "$expected: closed");
    }
    deliver('another expectation', 200, headers => {expect => 'x'});
    return;
}


sub access {
    my $basic = 'Basic cGx1bTpwbHVt';
    my %forged = (secret => 'another key');
    my $forged = '401 credential_mismatch';

    deliver('denied', '403 -', uri => '/denied');

    deliver('any: by address', 200, uri => '/any');
    deliver('any: by address, forged', $forged, uri => '/any', %forged);
    deliver('any: by password, forged', $forged, uri => '/any', %forged,
        headers => {authorization => $basic});
    deliver('either: none', '401 -', uri => '/either');
    deliver('either: by password', 200, uri => '/either',
        headers => {authorization => $basic});
    deliver('either: by password, forged', $forged, uri => '/either', %forged,
        headers => {authorization => $basic});
    return;
}


sub places {
    my %forged = (secret => 'another key');
    my $forged = '401 credential_mismatch';

    deliver('limit_except: PUT', '403 -', uri => '/except', method => 'PUT');
    for my $uri (qw(/except /others /if /nested/deep)) {
        deliver("$uri, good", 200, uri => $uri);
        deliver("$uri, forged", $forged, uri => $uri, %forged);
    }
    deliver('limit_except: PUT is gated', '405 method', uri => '/others',
        method => 'PUT');
    my %other = (uri => '/if', headers => {'x-other' => 1});
    deliver('another if, good', 200, %other);
    deliver('another if, forged', $forged, %other, %forged);
    return;
}


sub codes {
    my %to = (uri => '/codes');

    is(deliver('method', '400 method', %to, method => 'PUT')->header('allow'),
        'POST', 'Allow goes along');
    deliver('content_type', '400 content_type', %to,
        headers => {'content-type' => 'text/plain'});
    deliver('body_too_large', '507 body_too_large', %to, body => 'x' x 1001);
    deliver('credential_mismatch', '404 credential_mismatch', %to,
        secret => 'another key');
    deliver('json_invalid', '599 json_invalid', %to, body => '{');
    deliver('as it is by default', '401 credential_malformed', %to,
        headers => {'x-hub-signature-256' => 'sha256=x'});

    for my $row (['/quiet', 'info'], ['/', 'warn'], ['/loud', 'error']) {
        my ($uri, $level) = @$row;
        my $n = $serial + 1;
        my $r = deliver("level $level", '401 credential_mismatch',
            uri => $uri, secret => 'another key');
        my @lines = grep { /plum: / && /\?n=$n HTTP/ }
            split /\n/, $t->error_log;
        is(scalar @lines, 1, "$level: one line");
        like($lines[0], qr/ \[$level\] .* plum:\ refused
            \ \(credential_mismatch\):\ no\ live\ secret/x, "$level: logged");
        unlike($r->body, qr/plum|credential|secret/, 'the sender is not told');
    }
    unlike($t->error_log, qr/sha256=|"id"|\Q$SECRET\E|another key/,
        'no signature, no body, no secret in the log');
    return;
}


sub subrequests {
    my $before = $up->requests;
    $t->deliver(scheme => 'github', secret => $SECRET, body => $BODY,
        uri => '/mirrored');
    is(join(' ', sort map { "$_->{uri} $_->{body} "
        . ($up->header($_, 'content-length') || 'none') }
        ($up->wait_for($before + 2))[$before .. $before + 1]),
        '/copied {"id":1} 8 /mirrored {"id":1} 8', 'the copy is clean');

    # what leads there is not gated itself
    for my $uri ('/mirror', '/asking') {
        my $r = $t->deliver(scheme => 'github', secret => $SECRET,
            body => $BODY, uri => $uri);
        is($r->status, $uri eq '/asking' ? 403 : 200, "$uri: status");
        ok($t->wait_log(qr/ plum: refused \(subrequest\).*"POST $uri /),
            "$uri: logged");
    }
    is(scalar(grep { $_->{uri} =~ /guarded/ } $up->requests), 0,
        'none came through');
    deliver('in the end, a good one', 200);
    return;
}
