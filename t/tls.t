#!/usr/bin/perl

# What plum_tls lets through: by the connection itself, or by what a balancer
# says of it; client certificates; early data.

use strict;
use warnings;

use File::Basename qw(dirname);
use IO::Socket::INET;
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Process qw(run_command spawn_sub);

my $SECRET = 'correct horse battery staple';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('key', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $plum_verdict $plum_reason '
                    '$plum_tls_version';

    plum_secret key %%TESTDIR%%/key;
    plum_allowlist clean { allow id; }
    plum_signature github secret=key;
    plum_allow clean;

    %%TLS_SERVER%%
    ssl_client_certificate %%TESTDIR%%/ca.crt;

    server {
        listen 127.0.0.1:%%PORT_plain%%;
        listen 127.0.0.1:%%PORT_tls%% ssl http2;
        access_log %%TESTDIR%%/access.log plum;

        # looser than plum_tls, to see that it is not the only fence
        ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
        ssl_ciphers ALL:@SECLEVEL=0;
        ssl_verify_client optional_no_ca;

        location / {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /strict {
            plum on;
            plum_tls TLSv1.3;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /certificate {
            plum on;
            plum_tls TLSv1.2 client_certificate;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /off {
            plum on;
            plum_tls off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /balancer {
            plum on;
            plum_tls TLSv1.2 version=$http_x_tls;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /mutual {
            plum on;
            plum_tls TLSv1.3 version=$http_x_tls
                     client_certificate=$http_x_verify;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_early%% ssl;
        access_log %%TESTDIR%%/access.log plum;

        ssl_protocols TLSv1.3;
        ssl_early_data on;
        ssl_session_cache shared:early:1m;

        location / {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /off {
            plum on;
            plum_tls off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /variable {
            plum on;
            plum_tls TLSv1.2 version=$ssl_protocol;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;

connections();
certificates();
balancer();
proxied_early_data();

# OpenSSL keeps what a cut write of an early answer left, and calls it written
early_data() if !$ENV{SHORT_IO_LOG};

$t->done_testing;


# one delivery: 200 and forwarded, or another status, a reason, and nothing
# at the upstream, and then a good one; the TLS version is in the log

sub deliver {
    my ($what, $expected, $version, %opt) = @_;

    my ($status, $reason) = split / /, $expected;
    my $path = delete $opt{uri} || '/';
    my $h2 = delete $opt{h2};
    my $uri = "$path?n=" . ++$serial;
    my %to = (port => 'tls', tls => 1, %opt);
    my %request = (scheme => 'github', secret => $SECRET, body => '{"id":1}',
        uri => $uri, %to);

    my $r = $h2 ? $t->client('tls', tls => 1)->h2($t->signed(%request))
        : $t->deliver(%request);
    is($r->status, $status, "$what: status") or diag($r->error || '');
    forwarded($what, $uri, $expected, $version);
    return $r;
}


sub forwarded {
    my ($what, $uri, $expected, $version) = @_;

    my ($status, $reason) = split / /, $expected;
    my $log = $reason ? "$status refused $reason" : "$status accepted -";
    is($t->wait_log(qr/^\Q$uri\E /, 3, 'access.log'), "$uri $log $version",
        "$what: log");
    my @got = grep { $_->{uri} eq $uri } $up->requests;
    is(scalar @got, $reason ? 0 : 1, "$what: forwarded or not");
    deliver("$what, then a good one", 200, 'TLSv1.3') if $reason;
    return;
}


# IO::Socket::SSL options for a version that distributions switch off

sub old {
    my ($version) = @_;
    return tls => {SSL_version => $version,
        SSL_cipher_list => 'ALL:@SECLEVEL=0'};
}


sub connections {
    my $deliver = \&deliver;

    deliver('TLS 1.2', 200, 'TLSv1.2', version => 'TLSv1_2');
    deliver('TLS 1.3', 200, 'TLSv1.3', version => 'TLSv1_3');
    deliver('HTTP/2', 200, 'TLSv1.3', h2 => 1);
    is($up->requests, 3, 'three so far');

    deliver('plain HTTP', '403 tls_required', '-', port => 'plain', tls => 0);
    deliver('plain HTTP that says otherwise', '403 tls_required', '-',
        port => 'plain', tls => 0, headers => {'x-tls' => 'TLSv1.3',
        'x-forwarded-proto' => 'https', 'forwarded' => 'proto=https'});
    deliver('plain HTTP, allowed', 200, '-', port => 'plain', tls => 0,
        uri => '/off');

    deliver('TLS 1.1', '403 tls_version', 'TLSv1.1', old('TLSv1_1'));
    deliver('TLS 1', '403 tls_version', 'TLSv1', old('TLSv1'));
    deliver('TLS 1.1, allowed', 200, 'TLSv1.1', old('TLSv1_1'),
        uri => '/off');
    deliver('TLS 1.2, strict', '403 tls_version', 'TLSv1.2',
        version => 'TLSv1_2', uri => '/strict');
    deliver('TLS 1.3, strict', 200, 'TLSv1.3', uri => '/strict');
    deliver('HTTP/2, strict', 200, 'TLSv1.3', uri => '/strict', h2 => 1);

    # before anything else is looked at
    my $r = deliver('no delivery at all', '403 tls_required', '-',
        port => 'plain', tls => 0, method => 'GET', expect => 1,
        secret => 'another key');
    ok(!$r->continued, 'and no 100 (Continue)');
    return;
}


sub certificates {
    my %to = (uri => '/certificate');

    deliver('none', '403 client_certificate', 'TLSv1.3', %to);
    deliver('a stranger\'s', '403 client_certificate', 'TLSv1.3', %to,
        cert => 'stranger');
    deliver('one of ours', 200, 'TLSv1.3', %to, cert => 'client');
    deliver('one of ours, TLS 1.2', 200, 'TLSv1.2', %to, cert => 'client',
        version => 'TLSv1_2');
    deliver('one of ours, TLS 1.1', '403 tls_version', 'TLSv1.1', %to,
        cert => 'client', old('TLSv1_1'));
    deliver('plain HTTP', '403 tls_required', '-', %to, port => 'plain',
        tls => 0);
    deliver('not asked for', 200, 'TLSv1.3', cert => 'stranger');
    return;
}


# what ended TLS says what it was; the connection to it is not looked at

sub balancer {
    my %to = (uri => '/balancer', port => 'plain', tls => 0);
    my $says = sub {
        my ($expected, $version, $headers, %opt) = @_;
        deliver("a balancer: " . join(' ', map { join '=', @$_ } @$headers),
            $expected, $version, %to, headers => $headers, %opt);
    };

    $says->(200, $_, [['x-tls', $_]]) for 'TLSv1.2', 'TLSv1.3', 'tlsv1.3';
    $says->('403 tls_required', '-', $_)
        for [], [['x-tls', '-']], [['x-tls', '']];
    $says->('403 tls_version', $_, [['x-tls', $_]])
        for 'TLSv1.1', 'TLSv1', 'SSLv3', 'TLSv1.', 'TLSv1.22', 'TLSv1.4',
            '1.3', 'yes', 'TLSv1.2,', 'TLSv1.1, TLSv1.3';
    $says->('403 tls_version', $_, [['x-tls', $_]], tls => 1, port => 'tls')
        for 'TLSv1.1';

    my @good = ['x-tls', 'TLSv1.3'];
    $says->('425 early_data', 'TLSv1.3', [@good, ['early-data', $_]])
        for 1, 0, '';

    $to{uri} = '/mutual';
    $says->(200, 'TLSv1.3', [@good, ['x-verify', 'SUCCESS']]);
    $says->('403 client_certificate', 'TLSv1.3', [@good, ['x-verify', $_]])
        for 'NONE', 'FAILED:expired', 'success', 'SUCCESSES', '';
    $says->('403 client_certificate', 'TLSv1.3', [@good]);
    $says->('403 tls_version', 'TLSv1.2', [['x-tls', 'TLSv1.2'],
        ['x-verify', 'SUCCESS']]);
    return;
}


# A proxy says that it has sent a request on before its client's handshake was
# complete: that is heeded whoever ends TLS here (RFC 8470, section 5.1).

sub proxied_early_data {
    my %early = (headers => {'early-data' => 1});
    my $refused = '425 early_data';

    deliver('Early-Data, TLS 1.2', $refused, 'TLSv1.2', %early,
        version => 'TLSv1_2');
    deliver("Early-Data, $_->[0]", $refused, 'TLSv1.3', %early, %{$_->[1]})
        for ['TLS 1.3', {}], ['strict', {uri => '/strict'}],
            ['HTTP/2', {h2 => 1}], ['a certificate', {uri => '/certificate',
            cert => 'client'}], ['off, TLS', {uri => '/off'}];
    deliver('Early-Data, plain HTTP', $refused, '-', %early, port => 'plain',
        tls => 0, uri => '/off');
    deliver("Early-Data: $_->[0][1]", $refused, 'TLSv1.3', headers => $_)
        for map { [$_] } ['early-data', '0'], ['early-data', ''],
            ['Early-Data', 'no'];
    deliver('Early-Data, twice', $refused, 'TLSv1.3',
        headers => [(['early-data', 0]) x 2]);
    deliver('plain HTTP, and Early-Data', '403 tls_required', '-', %early,
        port => 'plain', tls => 0);
    return;
}


# a request in the first flight of a resumed session can be sent again by
# whoever has seen it

sub early_data {
    my $session = $t->path('session');

    for my $uri ('/', '/variable', '/off') {
        my $first = "$uri?n=" . ++$serial;
        like(s_client($first, 'early', '-sess_out', $session),
            qr{^HTTP/1.1 200}m, 'a session');
        forwarded('a session', $first, 200, 'TLSv1.3');

        my $second = "$uri?n=" . ++$serial;
        withhold('early', 'relay');
        my $said = s_client($second, 'relay', '-sess_in', $session,
            '-early_data');
        my $expected = $uri eq '/off' ? 200 : '425 early_data';
        my ($code) = split / /, $expected;
        like($said, qr/Early data was accepted/, 'early data');
        like($said, qr{^HTTP/1.1 $code}m, 'answered');
        forwarded('early data', $second, $expected, 'TLSv1.3');
    }
    return;
}


# a delivery by openssl(1), as its input or as its early data

sub s_client {
    my ($uri, $port, @args) = @_;

    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => '{"id":1}', uri => $uri, headers => {connection => 'close'});
    my $file = $t->write_file('request',
        $t->client($port)->head(%request) . $request{body});
    push @args, $file if $args[-1] eq '-early_data';
    my $input = $args[-1] eq $file ? '/dev/null' : $file;

    my (undef, $said) = run_command('sh', '-c',
        'in=$1; shift; exec openssl s_client "$@" < "$in" 2>&1', 'sh', $input,
        '-connect', '127.0.0.1:' . $t->port($port), '-tls1_3', '-ign_eof',
        '-CAfile', $t->path('ca.crt'), @args);
    return $said;
}


# A relay for one connection that keeps back what the client sends after its
# early data, the end of the handshake, until the server has said all: a fast
# client may be through with the handshake before the request is looked at.

sub withhold {
    my ($to, $from) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $t->port($from), Listen => 1, ReuseAddr => 1)
        or die "relay: $@";

    spawn_sub(sub {
        my $client = $listen->accept;
        my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $t->port($to));

        # whole TLS records, up to the first with application data
        my $bytes = '';
        while (sysread $client, $bytes, 65536, length $bytes) {
            my $at = 0;
            my $early;
            while (length $bytes >= $at + 5) {
                my ($type, undef, $size) = unpack 'Cnn', substr $bytes, $at;
                $at += 5 + $size;
                $early ||= $type == 23 && length $bytes >= $at;
            }
            last if $early;
        }
        syswrite $server, $bytes;
        syswrite $client, $bytes while sysread $server, $bytes, 65536;
    });
    return;
}
