#!/usr/bin/perl

# With plum_ack a sender sees a status and nothing else, whatever happens: of
# an upstream that fails, of NGINX's own pages, of error pages, of refusals.
# With "plum_ack off" all of it passes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my $LEAK = 'at internal.example (Handler.java:17)';

# what an upstream may say of itself
my @INSIDE = (['Location', 'http://internal:8080/retry'],
    ['X-Powered-By', 'PHP/5.4'], ['Set-Cookie', 'session=1'],
    ['WWW-Authenticate', 'Basic realm="internal"'], ['Link', '<http://i/>'],
    ['Content-Type', 'text/html'], ['ETag', '"e"'], ['Retry-After', '7'],
    ['Allow', 'GET'], ['Refresh', '0; url=http://internal/'],
    ['Cache-Control', 'private'], ['Expires', '0'],
    ['Content-Disposition', 'attachment'], ['X-Accel-Expires', '1']);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $other = $t->upstream('other');
my $n = 0;

$t->secret('key', $SECRET);
$t->write_file('ours', "a page of ours\n");
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_store deliveries memory:1m;
    plum_allowlist typed { event_type t; allow id; allow x for=known; }
    plum_signature github secret=key;
    plum_allow all;
    plum_tls off;

    upstream u {
        server 127.0.0.1:%%PORT_up%% max_fails=0;
        keepalive 4;
    }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_next_upstream off;
    proxy_pass_header Server;
    proxy_pass_header Date;
    proxy_read_timeout 1s;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        root %%TESTDIR%%;
        plum_capture $id id;
        plum_idempotency_key $id;

        location / { plum on; proxy_pass http://u; }
        location /204 { plum on; plum_ack 204; proxy_pass http://u; }
        location /streamed {
            plum on;
            proxy_buffering off;
            proxy_pass http://u;
        }
        location /off { plum on; plum_ack off; proxy_pass http://u; }
        location /observe { plum on; plum_mode observe; proxy_pass http://u; }
        location /once {
            plum on;
            plum_idempotency deliveries in_flight=refuse;
            proxy_pass http://u;
        }
        location /nobody { plum on; proxy_pass http://127.0.0.1:1; }
        location /trailer {
            plum on;
            add_trailer X-Ours 1;
            proxy_pass http://u;
        }

        # what the operator adds is the operator's
        location /added {
            plum on;
            add_header X-Ours 1 always;
            gzip on;
            gzip_types *;
            proxy_pass http://u;
        }

        # pages for what an upstream has done
        location /page {
            plum on;
            error_page 404 500 502 504 /ours;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location /text {
            plum on;
            error_page 404 500 502 504 =503 @text;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location /fallback {
            plum on;
            error_page 404 500 502 504 = @other;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location /moved {
            plum on;
            error_page 404 500 502 504 =302 http://internal.example/;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }

        # content handlers that are no upstream
        location /static/ { plum on; alias %%TESTDIR%%/; }
        location /return { plum on; try_files /none =404; }

        # refusals, with a page of the operator's
        location /refused/page {
            plum on;
            error_page 401 /ours;
            proxy_pass http://u;
        }
        location /refused/text {
            plum on;
            error_page 401 = @text;
            proxy_pass http://u;
        }
        location /typed { plum on; plum_allow typed; proxy_pass http://u; }
        location /stuck {
            plum on;
            plum_max_body 1k;
            proxy_pass http://u;
        }

        location = /ours { internal; }
        location @text { return 403 'a text of ours'; }
        location @other { proxy_pass http://127.0.0.1:%%PORT_other%%; }
    }
}
CONF
$t->run;

failed($_) for '/', '/204', '/streamed', '/once';
odd();
broken();
pages();
handlers();
refused();
in_flight();
added();
http2();
passed();
reused();

$t->done_testing;


sub deliver {
    my ($uri, %opt) = @_;

    $n++;
    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => qq({"id":"e$n"}), %opt);
}


sub names {
    my ($r) = @_;
    return join ' ', sort map { $_->[0] } @{$r->headers};
}


# a status, in NGINX's words, and what NGINX says with each answer

sub is_bare {
    my ($r, $status, $what, @more) = @_;

    is($r->status, $status, $what);
    is($r->body, '', '... has no body');
    is(names($r), join(' ', sort 'connection', 'date', 'server', @more,
        'content-length'), '... nor any header');
    like($r->header('server'), qr/^nginx/, '... of somebody else');
    unlike($r->reason, qr/inside/, '... nor words');
    return;
}


sub good {
    my ($what) = @_;

    is_bare(deliver('/'), 200, "$what: a good one after it");
    return;
}


sub failed {
    my ($uri) = @_;

    for my $status (300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404,
        405, 409, 410, 418, 429, 499, 500, 502, 503, 504, 599)
    {
        $up->script({status => $status, reason => 'from inside',
            headers => [@INSIDE, ['Server', 'inside'], ['Date', 'inside']],
            body => $status == 304 ? '' : $LEAK x 50});
        is_bare(deliver($uri), $status, "$uri: $status");
    }
    $up->script({status => 500, headers => [@INSIDE, ['Trailer', 'X-T'],
        ['Transfer-Encoding', 'chunked']],
        body => "6\r\ninside\r\n0\r\nX-T: 1\r\n\r\n"});
    is_bare(deliver($uri), 500, "$uri: in chunks");
    $up->script({status => 500, headers => [@INSIDE], body => $LEAK,
        repeat => 50_000});
    is_bare(deliver($uri), 500, "$uri: 2 MB");
    is(deliver($uri)->status, $uri eq '/204' ? 204 : 200, "$uri: a good one");
    return;
}


# answers that are none, or come before one

sub odd {
    for my $raw ("HTTP/1.1 101 Up\r\nUpgrade: x\r\nX-In: 1\r\n\r\ninside",
        "HTTP/1.1 102 P\r\nX-In: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\ninside",
        "HTTP/1.1 099 P\r\nX-In: 1\r\n\r\ninside", "inside\n\n",
        "HTTP/1.1 200\r\ninside")
    {
        $up->script({action => 'raw', raw => $raw});
        is_bare(deliver('/'), 502, $raw =~ s/\r\n.*//sr . ': no answer');
    }

    # before 1.29.0 NGINX takes early hints for the answer
    for my $uri ('/', '/streamed') {
        $up->script({action => 'raw', raw => "HTTP/1.1 103 Early\r\n"
            . "Link: <http://internal/>\r\n\r\n"
            . "HTTP/1.1 500 No\r\nX-In: 1\r\n\r\ninside"});
        my $r = deliver($uri);
        like($r->status, qr/^50[02]$/, "$uri: early hints");
        is_bare($r, $r->status, '... are not passed on');
    }
    good('odd answers');
    return;
}


sub broken {
    for my $action (qw(refuse close reset head_close head_reset)) {
        $up->script(({action => $action}) x 2);
        is_bare(deliver('/'), 502, $action);
    }
    $up->script;
    $up->script({action => 'hang'});
    is_bare(deliver('/'), 504, 'no answer in time');
    $up->script;
    is_bare(deliver('/nobody'), 502, 'nobody listens');

    for my $action (qw(half half_reset)) {
        $up->script({action => $action, status => 500, headers => [@INSIDE],
            body => $LEAK x 5000});
        is_bare(deliver('/'), 500, $action);
    }
    good('broken');
    return;
}


sub pages {
    for my $case (['/page', 0], ['/text', 503], ['/moved', 302]) {
        my ($uri, $status) = @$case;
        for my $answer ({status => 500, headers => [@INSIDE]},
            {status => 404, headers => [@INSIDE]}, {action => 'reset'})
        {
            $up->script($answer);
            my $own = $answer->{status} || 502;
            is_bare(deliver($uri), $status || $own, "$uri, $own");
        }
    }

    $up->script({status => 500, headers => [@INSIDE]});
    $other->script({status => 409, headers => [@INSIDE], body => $LEAK});
    is_bare(deliver('/fallback'), 409, 'the second upstream fails, too');
    $up->script({status => 500, headers => [@INSIDE]});
    is_bare(deliver('/fallback'), 200, 'the second takes it');

    $up->script({status => 401, headers => [@INSIDE]});
    is_bare(deliver('/page'), 401, 'an error without a page');
    good('pages');
    return;
}


sub handlers {
    is_bare(deliver('/static/ours'), 405, 'a file takes no POST');
    is_bare(deliver('/static/missing'), 404, 'no file');
    is_bare(deliver('/return'), 404, 'try_files');
    good('handlers');
    return;
}


sub refused {
    my %forged = (secret => 'x' x 32);

    is_bare(deliver('/', %forged), 401, 'forged');
    is_bare(deliver('/', method => 'PUT'), 405, 'a method', 'allow');
    is_bare(deliver('/', headers => {'content-type' => 'text/plain'}), 415,
        'a type');
    is_bare(deliver('/', body => '{'), 400, 'no JSON');
    is_bare(deliver('/typed', body => '{"id":1,"t":"odd"}'), 422, 'unlisted');
    is_bare(deliver('/stuck', body => 'x' x 2000), 413, 'too large');
    is_bare(deliver('/once', body => '{}'), 400, 'no key');

    # what NGINX itself finds wrong with a body that the gate reads
    my $client = $t->client(0);
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => '{}');
    my $headers = join '', map { "$_->[0]: $_->[1]\r\n" }
        @{$request{headers}};
    $client->write("POST / HTTP/1.1\r\nHost: localhost\r\n$headers"
        . "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
    is_bare($client->read_response, 400, 'no chunk');

    my $r = deliver('/refused/page', %forged);
    is($r->status, 401, 'a page for a refusal');
    is($r->body, "a page of ours\n", '... is sent: no upstream was asked');
    is(deliver('/refused/text', %forged)->body, 'a text of ours',
        'likewise a text');
    $up->script({status => 401, headers => [@INSIDE], body => $LEAK});
    is_bare(deliver('/refused/page'), 401, '... where an upstream was');

    good('refused');
    return;
}


sub in_flight {
    my $client = $t->client(0);
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => '{"id":"under way"}', uri => '/once');
    $up->script({gate => 'first', status => 201});
    $client->request(%request, no_read => 1);
    $up->wait_for(1);
    my $r;
    for my $try (1 .. 50) {
        $r = deliver('/once', body => '{"id":"under way"}');
        last if $r->status == 409;
    }
    is_bare($r, 409, 'in flight', 'retry-after');
    $up->open_gate('first');
    is_bare($client->read_response, 200, 'the first');
    is(deliver('/once', body => '{"id":"under way"}')->body, '',
        'a duplicate');
    return;
}


sub added {
    $up->script({status => 500, headers => [@INSIDE], body => $LEAK x 500});
    is_bare(deliver('/added', headers => {'accept-encoding' => 'gzip'}), 500,
        'what the operator adds', 'x-ours');
    $up->script({status => 500, headers => [@INSIDE, ['Trailer', 'X-T'],
        ['Transfer-Encoding', 'chunked']],
        body => "6\r\ninside\r\n0\r\nX-T: inside\r\n\r\n"});
    my $client = $t->client(0);
    my $r = deliver('/trailer', client => $client);
    is($r->status, 500, 'a trailer of the operator');
    unlike($client->{buffer} . $r->body, qr/inside|X-T/, '... is the only one');
    return;
}


sub http2 {
    my $client = $t->client('h2');

    for my $case (['/', {status => 500, headers => [@INSIDE], body => $LEAK}],
        ['/streamed', {status => 429, headers => [@INSIDE], body => $LEAK}],
        ['/', {status => 302, headers => [@INSIDE]}],
        ['/page', {action => 'reset', status => 502}],
        ['/', {status => 503, headers => [@INSIDE], body => $LEAK,
            repeat => 50_000}])
    {
        my ($uri, $answer) = @$case;
        my %request = $t->signed(scheme => 'github', secret => $SECRET,
            body => '{"id":"h2"}', uri => $uri);
        $up->script($answer);
        my $r = $client->h2(%request);
        is($r->status, $answer->{status}, "HTTP/2 $uri: $answer->{status}");
        is($r->body, '', '... has no body');
        is(names($r), 'content-length date server', '... nor any header');
    }
    my %forged = $t->signed(scheme => 'github', secret => 'x' x 32,
        body => '{}', uri => '/');
    my $r = $client->h2(%forged);
    is($r->status . $r->body, 401, 'HTTP/2: forged');
    good('HTTP/2');
    return;
}


# where plum_ack is off all is the upstream's; an observer changes nothing

sub passed {
    for my $uri ('/off', '/observe') {
        for my $status (302, 404, 500) {
            $up->script({status => $status, body => $LEAK,
                headers => [['X-Why', 'why']]});
            my $r = deliver($uri);
            is($r->status, $status, "$uri: $status");
            is($r->body, $LEAK, '... with its body');
            is($r->header('x-why'), 'why', '... and its headers');
        }
        $up->script({action => 'reset'});
        like(deliver($uri)->body, qr/<h1>502/, "$uri: NGINX's page");
    }
    like(deliver('/off', secret => 'x' x 32)->body, qr/<h1>401/,
        'of a refusal, too');
    return;
}


# failures cost no connection, neither the sender's nor the upstream's

sub reused {
    my $client = $t->client(0);
    $up->forget;
    $up->answer(status => 500, headers => [@INSIDE], body => $LEAK,
        repeat => 5000);
    is_bare(deliver('/', client => $client), 500, "failure $_") for 1 .. 4;
    my %conns = map { $_->{conn} => 1 } $up->requests;
    is(scalar(keys %conns), 1, 'over one connection');
    ok($client->connected, 'and one of the sender');
    $up->answer;
    good('failures');
    return;
}
