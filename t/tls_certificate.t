#!/usr/bin/perl

# The client certificate that plum_tls demands is one that the server of the
# location has verified, and no other server that shares its listen: whatever
# name the client asks for (SNI), and in whatever session.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Session;

my $SECRET = 'correct horse battery staple';

# a.test is the default server of the listen.  It takes certificates of
# another authority (t/lib/Test/Plum/Certificates.pm: "stranger") than the
# others do ("client")
my @OURS = qw(b.test on.test any.test map.test name.test);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('key', $SECRET);
$t->write_conf(<<"CONF");
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    log_format plum '\$request_uri \$status \$plum_verdict \$plum_reason';

    plum_secret key %%TESTDIR%%/key;
    plum_allowlist clean { allow id; }
    plum_signature github secret=key;
    plum_allow clean;
    plum_tls TLSv1.2 client_certificate;

    map \$ssl_client_verify \$mapped { SUCCESS SUCCESS; }
    map \$ssl_client_s_dn \$named { ~^CN= SUCCESS; }

    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:sessions:1m;

@{[servers()]}
}
CONF
$t->run;

for my $version ('TLSv1_2', 'TLSv1_3') {
    handshakes($version);
    resumptions($version, SSL_version => $version);
}
resumptions('session ids', SSL_version => 'TLSv1_2',
    SSL_create_ctx_callback => sub {
        Net::SSLeay::CTX_set_options($_[0], Net::SSLeay::OP_NO_TICKET());
    });
never_satisfied();
one_connection();

$t->done_testing;


# the servers of the listen, the first is the default one

sub servers {
    my $ours = 'ssl_client_certificate %%TESTDIR%%/ca.crt;';

    return server('a.test', '%%TLS_SERVER%% ssl_client_certificate '
            . '%%TESTDIR%%/other-ca.crt; ssl_verify_client optional;',
            'location / { return 204; }', location('/own'))
        . server('b.test', "%%TLS_SERVER%% $ours ssl_verify_client optional;",
            location('/'))
        . server('on.test', "%%TLS_SERVER%% $ours ssl_verify_client on;",
            location('/', '=$ssl_client_verify'))
        . server('any.test', '%%TLS_SERVER%% ssl_trusted_certificate '
            . '%%TESTDIR%%/ca.crt; ssl_verify_client optional_no_ca;',
            location('/'))
        . server('map.test', "%%TLS_SERVER%% $ours ssl_verify_client on;",
            location('/', '=$mapped'))
        . server('name.test', "%%TLS_SERVER%% $ours "
            . 'ssl_verify_client optional;', location('/', '=$named'))
        # asks for none
        . server('none.test', '%%TLS_SERVER%%', location('/'),
            location('/named', '=$SSL_Client_Verify'),
            location('/mapped', '=$mapped'),
            location('/given', '=$http_x_verify'))
        # has no TLS of its own: it is always that of the default server
        . server('bare.test', "$ours ssl_verify_client optional;",
            location('/'));
}


sub server {
    my ($name, @lines) = @_;

    return join "\n", 'server {', 'listen 127.0.0.1:%%PORT_tls%% ssl http2;',
        "server_name $name;", 'access_log %%TESTDIR%%/access.log plum;',
        @lines, '}', '';
}


sub location {
    my ($uri, $variable) = @_;

    return "location $uri { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%;"
        . ($variable ? " plum_tls TLSv1.2 client_certificate$variable;" : '')
        . ' }';
}


# One delivery, on a connection of its own.  %opt: host, uri; name: that the
# client asks for, '' for none; cert; tls: more options for IO::Socket::SSL

sub deliver {
    my (%opt) = @_;

    my $uri = ($opt{uri} || '/') . '?n=' . ++$serial;
    my $c = $t->client('tls', sni => $opt{name}, cert => $opt{cert},
        tls => {@{$opt{tls} || []}, SSL_verify_mode => 0});
    my $status = $t->deliver(client => $c, scheme => 'github',
        secret => $SECRET, body => '{"id":1}', uri => $uri,
        headers => {host => $opt{host}, %{$opt{headers} || {}}})->status;
    my $reused = $c->connected && $c->socket->get_session_reused;
    $c->close;

    return {
        uri => $uri, status => $status, reused => $reused,
        error => $c->{error},
        forwarded => scalar grep { $_->{uri} eq $uri } $up->requests,
    };
}


# refused by plum_tls, or before that by NGINX itself

sub refused {
    my ($what, %opt) = @_;

    my $r = deliver(%opt);
    is($r->{forwarded}, 0, "$what: not forwarded");
    like($r->{status}, qr/^(?:0|400|403|421)$/, "$what: refused");
    return if $r->{status} != 403;

    is($t->wait_log(qr/^\Q$r->{uri}\E /, 3, 'access.log'),
        "$r->{uri} 403 refused client_certificate", "$what: why");
    return;
}


sub accepted {
    my ($what, %opt) = @_;

    my $r = deliver(%opt);
    is($r->{status}, 200, "$what: accepted") or diag($r->{error} || '');
    is($r->{forwarded}, 1, "$what: forwarded");
    return $r;
}


sub resumed {
    my ($what, %opt) = @_;

    my $r = accepted("$what, resumed", %opt);
    ok($r->{reused}, "$what: it was");
    return;
}


sub handshakes {
    my ($version) = @_;

    my @tls = (tls => [SSL_version => $version]);

    for my $host (@OURS, 'none.test', 'bare.test') {
        my %to = (host => $host, @tls);
        refused("$version, $host, asked for '$_'", %to, cert => 'stranger',
            name => $_) for '', 'nobody.test', 'a.test', $host;
        refused("$version, $host, none", %to, name => $host);
        next if $host =~ /none|bare/;

        # what the default server says of it does not count either
        refused("$version, $host, a good one, no name", %to,
            cert => 'client', name => '');
        accepted("$version, $host, a good one", %to, cert => 'client',
            name => $host);
    }

    accepted("$version, the default server, asked for '$_'", @tls,
        host => 'a.test', uri => '/own', cert => 'stranger', name => $_)
        for '', 'a.test', 'nobody.test';
    return;
}


# a session remembers what an earlier handshake has found

sub resumptions {
    my ($what, @tls) = @_;

    for my $name ('', 'nobody.test', 'a.test') {
        my $begun = "$what, a session of '$name'";
        my @with = (tls => [@tls, Test::Plum::Session->new->options]);
        my %own = (@with, host => 'a.test', uri => '/own', name => $name);
        accepted($begun, %own, cert => 'stranger');

        refused("$begun, at $_", @with, host => $_, name => $_)
            for qw(b.test any.test map.test none.test);
        for my $host (qw(b.test bare.test)) {
            refused("$begun, at $host, asked for '$_'", @with, host => $host,
                name => $_) for '', 'nobody.test';
        }

        resumed($begun, %own);
    }

    for my $host (@OURS) {
        my %to = (host => $host, name => $host,
            tls => [@tls, Test::Plum::Session->new->options]);
        accepted("$what, $host, begun", %to, cert => 'client');
        resumed("$what, $host", %to);
    }
    return;
}


# where the server asks for no certificate, its default server may

sub never_satisfied {
    for my $case (['stranger', ''], ['stranger', 'a.test'],
        ['stranger', 'none.test'], ['client', 'b.test'],
        ['client', 'none.test'])
    {
        my ($cert, $name) = @$case;
        refused("none.test$_, a certificate of $cert, asked for '$name'",
            host => 'none.test', uri => $_, cert => $cert, name => $name)
            for '/', '/named', '/mapped';
    }

    # said by a header, it is no certificate of the connection
    my %given = (host => 'none.test', uri => '/given', name => 'none.test');
    refused('none.test/given, not said', %given);
    accepted('none.test/given, said', %given,
        headers => {'x-verify' => 'SUCCESS'});
    return;
}


# names on one connection: the second request, and a stream of HTTP/2

sub one_connection {
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => '{"id":1}');
    my $forwarded = $up->requests;

    for my $host ('b.test', 'none.test') {
        my $c = $t->client('tls', tls => 1, sni => '', cert => 'stranger');
        is($c->request(uri => '/', headers => {host => 'a.test'})->status,
            204, 'the default server');
        push @{$request{headers}}, ['host', $host];
        is($c->request(%request)->status, 403,
            "then $host, on the same connection");
        is($t->client('tls', tls => 1, cert => 'stranger')->h2(%request)
            ->status, 403, "$host by HTTP/2");
        pop @{$request{headers}};
    }

    is($up->requests, $forwarded, 'nothing of it was forwarded');
    accepted('then a good one', host => 'b.test', name => 'b.test',
        cert => 'client');
    return;
}
