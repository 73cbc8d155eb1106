#!/usr/bin/perl

# Header names that differ in "_" and "-" only, where NGINX is told to let them
# in: none is taken for the other, by the gate, by variables, or by upstreams
# that spell all of them HTTP_X_NAME.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA ();
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my $BODY = '{"id":1,"x":2}';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('key', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $plum_verdict $plum_reason '
                    '[$plum_signed_id] [$plum_key]';
    plum_secret key %%TESTDIR%%/key;
    plum_store deliveries memory:1m;
    plum_allowlist id { allow id; }
    plum_allow id;
    plum_tls off;
    plum_signature standard-webhooks secret=key;
    client_header_buffer_size 16k;

    map $server_port $edge_tls { default $http_x_forwarded_tls_version; }

    server {
        listen 127.0.0.1:%%PORT_underscores%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        underscores_in_headers on;
        access_log %%TESTDIR%%/access.log plum;
        include %%TESTDIR%%/locations;
    }

    server {
        listen 127.0.0.1:%%PORT_invalid%%;
        ignore_invalid_headers off;
        access_log %%TESTDIR%%/access.log plum;
        include %%TESTDIR%%/locations;
    }
}
CONF
$t->write_file('locations', $t->expand(<<'CONF'));
location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
location /once {
    plum on;
    plum_idempotency deliveries;
    plum_idempotency_key $plum_signed_id;
    proxy_pass http://127.0.0.1:%%PORT_up%%;
}
location /key {
    plum on;
    plum_signature api-key secret=key;
    proxy_pass http://127.0.0.1:%%PORT_up%%;
}
location /behind {
    plum on;
    plum_tls TLSv1.2 version=$edge_tls;
    proxy_pass http://127.0.0.1:%%PORT_up%%;
}
location /spelt {
    plum on;
    plum_signature hmac secret=key header=X_Signature id=X_Id
                   "content={id}.{header:X_Event}.{body}";
    proxy_pass http://127.0.0.1:%%PORT_up%%;
}
location /fastcgi {
    plum on;
    plum_idempotency deliveries;
    plum_idempotency_key $plum_signed_id;
    fastcgi_pass 127.0.0.1:%%PORT_raw%%;
}
location /uwsgi {
    plum on;
    plum_idempotency deliveries;
    plum_idempotency_key $plum_signed_id;
    uwsgi_pass 127.0.0.1:%%PORT_raw%%;
}
location /scgi {
    plum on;
    plum_idempotency deliveries;
    plum_idempotency_key $plum_signed_id;
    scgi_pass 127.0.0.1:%%PORT_raw%%;
}
location /observe {
    plum on;
    plum_mode observe;
    proxy_pass http://127.0.0.1:%%PORT_up%%;
}
CONF
$t->run;

for my $port (qw(underscores invalid)) {
    credentials($port);
    key($port);
    balancer($port);
    others($port);
    removed($port);
    spelt($port);
    many($port);
    protocols($port);
}
observe();
http2();
warnings();
$t->done_testing;


# one delivery with these headers beside, in front of or behind its own:
# "200", or a status and a reason

sub deliver {
    my ($port, $what, $expected, $more, %opt) = @_;

    my ($status, $reason) = split / /, $expected;
    my @got;
    for my $order ('in front', 'behind') {
        my $uri = ($opt{uri} || '/') . '?n=' . ++$serial;
        my %request = $t->signed(scheme => 'standard-webhooks',
            secret => $SECRET, body => $BODY, %opt, uri => $uri);
        my @own = @{$request{headers}};
        $request{headers} = $order eq 'behind' ? [@own, @$more]
            : [@$more, @own];

        my $before = $up->requests;
        is($t->client($port)->request(%request)->status, $status,
            "$port, $what, $order");
        my $verdict = $reason ? "refused $reason" : 'accepted -';
        like($t->wait_log(qr/^\Q$uri\E /, 5, 'access.log'),
            qr/^\Q$uri\E $status $verdict /, '... the log');
        @got = ($up->requests)[$before .. $up->requests - 1];
        is(scalar @got, $reason ? 0 : 1, '... forwarded or not');
    }
    deliver($port, 'then a good one', 200, []) if $reason;
    return $got[0];
}


sub names { return join ' ', sort map { $_->[0] } @{$_[0]{headers}} }


sub credentials {
    my ($port) = @_;

    deliver($port, 'a good one', 200, []);
    for my $name (qw(webhook_id Webhook_Id WEBHOOK_ID webhook_timestamp
        webhook_signature))
    {
        deliver($port, $name, '401 credential_malformed', [[$name, 'x']]);
    }
    deliver($port, "$_ alone", '401 credential_malformed',
        [[$_ =~ tr/-/_/r, 'x']], headers => {$_ => undef})
        for qw(webhook-id webhook-timestamp webhook-signature);

    my %key = (uri => '/key', scheme => 'api-key');
    deliver($port, 'x-api-key', 200, [], %key);
    deliver($port, 'X_Api_Key beside', '401 credential_malformed',
        [['X_Api_Key', $SECRET]], %key);
    deliver($port, 'X_Api-Key beside', '401 credential_malformed',
        [['X_Api-Key', 'x']], %key);
    deliver($port, 'X_API_KEY alone', '401 credential_malformed',
        [['X_API_KEY', $SECRET]], %key, headers => {'x-api-key' => undef});

    deliver($port, 'Content_Type', '415 content_type',
        [['Content_Type', 'application/json']]);
    deliver($port, 'Content_Type alone', '415 content_type',
        [['Content_Type', 'application/json']],
        headers => {'content-type' => undef});
    deliver($port, 'Content_Encoding', '415 content_encoding',
        [['Content_Encoding', $_]]) for qw(gzip identity);
    return;
}


# a recorded delivery is the same event, whatever is put beside its id

sub key {
    my ($port) = @_;

    my %request = $t->signed(scheme => 'standard-webhooks', id => "e-$port",
        secret => $SECRET, body => $BODY, uri => '/once');
    my $own = $request{headers};
    my $before = $up->requests;
    my @seen;
    for my $more ([], [['webhook_id', 'x']], [['Webhook_ID', 'y']], []) {
        $request{headers} = [@$more, @$own];
        push @seen, $t->client($port)->request(%request)->status;
    }
    is("@seen", '200 401 401 200', "$port: a replay");
    is(scalar($up->requests), $before + 1, '... is no new event');
    is($up->header(($up->requests)[-1], 'idempotency-key'), "e-$port",
        '... whose key is the id that was signed');
    ok($t->wait_log(qr/^\S+ 200 accepted - \[e-$port\] \[e-$port\]$/, 5,
        'access.log'), '... and in its variable');
    ok($t->wait_log(qr/^\S+ 401 refused credential_malformed \[-\] \[-\]$/, 5,
        'access.log'), '... which an unproved one has not');
    return;
}


sub balancer {
    my ($port) = @_;

    my %to = (uri => '/behind');
    my %is = (headers => {'x-forwarded-tls-version' => 'TLSv1.3'});

    deliver($port, 'the balancer saw TLS', 200, [], %to, %is);

    # whichever of them is read (NGINX 1.23 and newer read both, as a list),
    # and whatever it says: none is forwarded
    for my $said ('TLSv1.3', 'TLSv1', '-', '', undef) {
        for my $name ('X_Forwarded_TLS_Version', 'x-forwarded_tls-version') {
            my %request = $t->signed(scheme => 'standard-webhooks',
                secret => $SECRET, body => $BODY, uri => '/behind');
            my @says = defined $said
                ? ['X-Forwarded-TLS-Version', $said] : ();
            my $before = $up->requests;
            my $status = $t->client($port)->request(%request,
                headers => [[$name, 'TLSv1.3'], @says,
                    @{$request{headers}}])->status;
            like($status, qr/\A40[03]\z/,
                "$port, $name beside " . ($said // 'none'));
            is(scalar($up->requests), $before, '... not forwarded');
        }
    }
    deliver($port, 'Early_Data', '425 early_data', [['Early_Data', 1]], %to,
        %is);
    return;
}


# of headers that mean nothing to the gate: two spellings of one name are
# refused, any one of them passes; what NGINX knows has one spelling

sub others {
    my ($port) = @_;

    my $got = deliver($port, 'X_Other', 200, [['X_Other', 1], ['_', 2]]);
    is($up->header($got, 'x_other'), 1, '... gets there');
    deliver($port, 'X_Other twice', 200, [['X_Other', 1], ['x_other', 1]]);
    deliver($port, 'X_Other and X-Other', '400 header_spelling',
        [['X_Other', 1], ['X-Other', 1]]);
    deliver($port, 'X_Other-One and X-Other_One', '400 header_spelling',
        [['X_Other-One', 1], ['X-Other_One', 1]]);
    deliver($port, $_, '400 header_spelling', [[$_, 1]])
        for qw(X_Forwarded_For User_Agent Content_Length Accept_Encoding
            If-None_Match x_forwarded_tls_version);
    return;
}


# every spelling of what is not forwarded

sub removed {
    my ($port) = @_;

    my @stale = map { [$_ => 'x'] } qw(Idempotency_Key idempotency-key
        IDEMPOTENCY_KEY Content_MD5 Content_Digest repr_Digest
        Transfer_Encoding);
    my $got = deliver($port, 'stale headers', 200, \@stale, uri => '/once');
    my $key = $up->header($got, 'idempotency-key');
    unlike(names($got), qr/_|md5|digest|encoding/i, '... are gone');
    is(scalar(grep { lc $_->[0] eq 'idempotency-key' } @{$got->{headers}}), 1,
        '... but for the key');
    is($key, $up->header($got, 'webhook-id'), '... which is ours');
    return;
}


sub protocols {
    my ($port) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $t->port('raw'), Listen => 5, ReuseAddr => 1) or die $!;
    my @more = (['Idempotency_Key', 'mine'], ['Content_MD5', 'x'],
        ['X_Kept', 'kept']);

    for my $protocol (qw(fastcgi uwsgi scgi)) {
        my $sender = $t->client($port);
        my %request = $t->signed(scheme => 'standard-webhooks',
            id => "$protocol-$port", secret => $SECRET, body => $BODY,
            uri => "/$protocol");
        $sender->request(%request, no_read => 1,
            headers => [@more, @{$request{headers}}, @more]);

        my $bytes = '';
        my $peer = IO::Select->new($listen)->can_read(5) && $listen->accept;
        while ($bytes !~ /\Q{"id":1}/ && IO::Select->new($peer)->can_read(5)) {
            sysread $peer, $bytes, 65536, length $bytes or last;
        }
        close $peer;
        is($sender->read_response->status, 502, "$port, $protocol: sent");
        my @keys = $bytes =~ /HTTP_IDEMPOTENCY_KEY[^A-Za-z]*([a-z-]+)/g;
        is("@keys", "$protocol-$port", '... one key');
        unlike($bytes, qr/CONTENT_MD5/, '... nothing stale');
        like($bytes, qr/HTTP_X_KEPT/, '... with the rest');
    }
    return;
}


# plum_signature may name a header with "_": that spelling is then the one

sub spelt {
    my ($port) = @_;

    my %to = (uri => '/spelt', scheme => 'hmac', header => 'X_Signature',
        content => '{id}.{header:X_Event}.{body}');
    my $send = sub {
        my ($what, $status, @headers) = @_;

        my $mac = Digest::SHA::hmac_sha256_hex("7.paid.$BODY", $SECRET);
        my $before = $up->requests;
        my $answer = $t->client($port)->request(method => 'POST',
            uri => '/spelt', body => $BODY, headers => [
                ['Content-Type', 'application/json'],
                map { [$_->[0], $_->[1] eq 'mac' ? $mac : $_->[1]] }
                    @headers]);
        is($answer->status, $status, "$port, $what");
        is(scalar($up->requests), $before + ($status == 200),
            '... forwarded or not');
        return ($up->requests)[-1];
    };

    my @good = (['X_Signature', 'mac'], ['X_Id', 7], ['X_Event', 'paid']);
    my $got = $send->('as it is spelt', 200, @good);
    is($up->header($got, 'x_signature'), undef, '... its signature is gone');
    is($up->header($got, 'x_event'), 'paid', '... the rest is not');
    ok($t->wait_log(qr/^\/spelt 200 accepted - \[7\]/, 5, 'access.log'),
        '... with its id');

    $send->("with $_ beside", 401, @good, [$_, 7])
        for qw(X-Signature X-Id X-Event);
    $send->('with "-" only', 401, map { [$_->[0] =~ tr/_/-/r, $_->[1]] }
        @good);
    $send->('and a good one', 200, @good);
    return;
}


sub many {
    my ($port) = @_;

    my @names = map { ["x_$_", $_] } 1 .. 17;
    deliver($port, '16 names with _', 200, [@names[0 .. 15]]);
    deliver($port, '17 of them', '400 header_spelling', \@names);
    return;
}


sub observe {
    my $got = deliver('underscores', 'observed', 200, [['X_Api_Key', 1],
        ['Content_MD5', 'x']], uri => '/observe');
    is($up->header($got, $_), $_ eq 'x_api_key' ? 1 : 'x',
        "observed, $_ stays") for qw(x_api_key content_md5);

    my %request = $t->signed(scheme => 'standard-webhooks',
        secret => $SECRET, body => $BODY, uri => '/observe?twins');
    $request{headers} = [@{$request{headers}}, ['X_A', 1], ['X-A', 1]];
    is($t->client('underscores')->request(%request)->status, 200,
        'observed, two spellings');
    ok($t->wait_log(qr/^\S+twins 200 refused header_spelling /, 5,
        'access.log'), '... are told of');
    return;
}


# what is refused has no body here: curl stumbles over an answer that comes
# before the end of its upload

sub http2 {
    for my $case ([200], [401, 'webhook_id', 'x'], [400, 'user_agent', 'x'],
        [400, 'x_forwarded_tls_version', 'x'], [200, 'x_other', 'x'])
    {
        my ($status, @more) = @$case;
        my %body = $status == 200 ? (body => $BODY) : ();
        my %request = $t->signed(scheme => 'standard-webhooks',
            secret => $SECRET, %body);
        my $before = $up->requests;
        my $r = $t->client('h2')->h2(method => 'POST', uri => '/', %body,
            headers => [@{$request{headers}}, @more ? \@more : ()]);
        is($r->status, $status, "HTTP/2, @more");
        is(scalar($up->requests), $before + ($status == 200),
            '... forwarded or not');
    }
    return;
}


sub warnings {
    my $try = sub {
        my ($text, %opt) = @_;

        my ($status, $said) = $t->test_config(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_tls off;
    plum_allow all;
    plum_signature standard-webhooks secret=key;
    $text
}
CONF
        is($status, 0, 'nginx -t') or diag($said);
        return join "\n", grep { /\[warn\]/ && !/"user" directive/ }
            split /\n/, $said;
    };
    my $gate = 'location / { plum on; proxy_pass http://127.0.0.1:9; }';
    my $one = 'listen 127.0.0.1:%%PORT_a%%;';
    my $two = 'listen 127.0.0.1:%%PORT_b%%;';
    my $on = 'underscores_in_headers on;';
    my $off = 'ignore_invalid_headers off;';

    is($try->("server { $one $gate }"), '', 'by default, silence');
    is($try->("server { $one $gate } server { $two $on }"), '',
        'another address, silence');
    is($try->("server { $on $one location / { plum off;"
        . ' return 204; } }'), '',
        'no gate, silence');
    for my $case ([$on, 'underscores_in_headers on'],
        [$off, 'ignore_invalid_headers off'])
    {
        my ($line, $name) = @$case;
        my $like = qr/\A[^\n]*"$name"[^\n]*X_Name[^\n]* in \S+:\d+\z/;
        like($try->("server { $one $line $gate }"), $like, "$name warns");
        like($try->("$line server { $one $two $gate }"), $like,
            "$name above warns, once");
        like($try->("server { $one $line } server { $one server_name b;"
            . " $gate }"), $like, "$name of the default server warns");
        like($try->("server { $one $gate } server { $one server_name b;"
            . " $line }"), $like, "$name of a neighbour warns");
    }

    my $named = 'plum_signature hmac secret=key header=x_key;';
    like($try->("$named server { $one $gate }"),
        qr/\A[^\n]*NGINX drops the header "x_key"[^\n]* in \S+:\d+\z/,
        'a header that NGINX drops');
    unlike($try->("$named server { $one $on $gate }"), qr/drops/,
        '... or lets in');
    return;
}
