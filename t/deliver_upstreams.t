#!/usr/bin/perl

# It is NGINX's content handler that delivers: by HTTPS with a client
# certificate, by FastCGI, with a second upstream, behind limit_req.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use IO::Socket::INET;
use Test::More;

use Test::Plum::Process qw(poll_until spawn_sub end_process);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
my @NAMES = qw(secure fast next unbuffered);

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64,
    LocalPort => $t->port('fcgi'), ReuseAddr => 1) or die $@;
my $fcgi = spawn_sub(sub { fastcgi($listen) });
close $listen;
$t->certificates;

$t->gateway(
    consumers => [map {"deliver $_ /deliver/$_ for=$_;"} @NAMES],
    allow => 'all_of_them',
    deliver => 'plum_deliver retry=50ms,100ms,10m breaker=off; '
        . 'proxy_http_version 1.1; proxy_set_header Connection "";',
    http => <<'CONF',
    upstream two {
        server 127.0.0.1:%%PORT_nobody%%;
        server 127.0.0.1:%%PORT_up%% backup;
    }
    server {
        listen 127.0.0.1:%%PORT_tls%% ssl;
        ssl_certificate %%TESTDIR%%/server.crt;
        ssl_certificate_key %%TESTDIR%%/server.key;
        ssl_verify_client on;
        ssl_client_certificate %%TESTDIR%%/ca.crt;
        access_log %%TESTDIR%%/tls.log plum;
        location / {
            proxy_set_header X-Client $ssl_client_s_dn;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
CONF
    locations => {
        '/deliver/secure' => <<'CONF',
            proxy_ssl_certificate %%TESTDIR%%/client.crt;
            proxy_ssl_certificate_key %%TESTDIR%%/client.key;
            proxy_ssl_trusted_certificate %%TESTDIR%%/ca.crt;
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            # a worker of NGINX does not free the session that it keeps
            proxy_ssl_session_reuse off;
            proxy_pass https://127.0.0.1:%%PORT_tls%%;
CONF
        '/deliver/fast' => <<'CONF',
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param PLUM_KEY $plum_key;
            fastcgi_pass 127.0.0.1:%%PORT_fcgi%%;
CONF
        '/deliver/next' => 'proxy_pass http://two;',
        '/deliver/unbuffered' => 'proxy_buffering off; '
            . 'proxy_request_buffering off; '
            . 'proxy_pass http://127.0.0.1:%%PORT_up%%;',
    },
);
my $up = $t->{up};

secure();
fast();
next_upstream();
unbuffered();

end_process($fcgi, 'KILL');
$t->done_testing;


sub event { return $t->event_for(@_) }


sub secure {
    my $key = event('secure');
    is($t->ends($key, 1), '1:200:delivered', 'by HTTPS');
    my ($got) = $up->wait_for(1);
    ok($up->header($got, 'X-Client'), 'with a client certificate');
    is($up->header($got, 'Idempotency-Key'), $key, 'and the key');
    is($got->{body}, qq({"id":"$key","type":"secure"}), 'and the body');
    return;
}


sub fast {
    my $key = event('fast');
    is($t->ends($key, 2), '1:503:again 2:200:delivered', 'by FastCGI');
    my @got = split /\n/, $t->read_file('fastcgi.log');
    is(scalar @got, 2, 'two requests');
    like($got[1], qr/REQUEST_METHOD=POST/, 'the method');
    like($got[1], qr/CONTENT_TYPE=application\/json/, 'the type');
    like($got[1], qr/HTTP_IDEMPOTENCY_KEY=\Q$key\E/, 'the key as a header');
    like($got[1], qr/PLUM_KEY=\Q$key\E/, 'and as a variable');
    like($got[1], qr/\{"id":"\Q$key\E","type":"fast"\}/, 'the body');
    return;
}


sub next_upstream {
    my $key = event('next');
    is($t->ends($key, 1), '1:200:delivered', 'by the next upstream');
    return;
}


sub unbuffered {
    $up->answer(status => 200, body => 'x' x 1000, repeat => 300);
    is($t->ends(event('unbuffered'), 1), '1:200:delivered',
        'without buffering');
    $up->answer(status => 200);
    return;
}


# --- a FastCGI responder: it fails, then it succeeds, and so on

sub fastcgi {
    my ($listening) = @_;

    my $n = 0;
    while (my $client = $listening->accept) {
        my ($params, $body) = ('', '');
        while (1) {
            my ($type, $id, $content) = record($client) or last;
            $params .= $content if $type == 4;
            $body .= $content if $type == 5;
            next if $type != 5 || $content ne '';

            my @pairs;
            while (length $params) {
                my @len = map { length_of(\$params) } 1 .. 2;
                my $name = substr $params, 0, $len[0], '';
                push @pairs, "$name=" . substr $params, 0, $len[1], '';
            }
            open my $log, '>>', $t->path('fastcgi.log') or die $!;
            print {$log} join(' ', @pairs, $body), "\n";
            close $log;

            my $status = $n++ % 2 ? '200 OK' : '503 Later';
            my $out = "Status: $status\r\nContent-Type: text/plain\r\n\r\nx";
            syswrite $client, pack('CCnnCCa*', 1, 6, $id, length $out, 0, 0,
                $out) . pack('CCnnCC', 1, 6, $id, 0, 0, 0)
                . pack('CCnnCCNCCCC', 1, 3, $id, 8, 0, 0, 0, 0, 0, 0, 0);
            last;
        }
        close $client;
    }
    return;
}


sub record {
    my ($client) = @_;

    my $head = bytes($client, 8);
    return if length $head < 8;
    my (undef, $type, $id, $length, $padding) = unpack 'CCnnC', $head;
    my $content = bytes($client, $length);
    bytes($client, $padding);
    return ($type, $id, $content);
}


sub bytes {
    my ($client, $n) = @_;

    my $in = '';
    while (length $in < $n) {
        sysread $client, $in, $n - length $in, length $in or last;
    }
    return $in;
}


sub length_of {
    my ($params) = @_;

    my $n = unpack 'C', substr $$params, 0, 1, '';
    return $n if $n < 128;
    return unpack('N', pack('C', $n & 127) . substr $$params, 0, 3, '');
}
