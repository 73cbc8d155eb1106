#!/usr/bin/perl

# What a resumed TLS session is worth where a client certificate is demanded:
# as much as the server of the location itself would find now.  All servers
# here can resume each other's sessions; what they verify clients by differs.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Certificates ();
use Test::Plum::Session;

my $SECRET = 'correct horse battery staple';
my ($FAKETIME) = glob '/usr/lib/{*/,}faketime/libfaketime.so.1';

my %KIND = (
    'TLS 1.2' => [SSL_version => 'TLSv1_2'],
    'TLS 1.3' => [SSL_version => 'TLSv1_3'],
    'session ids' => [SSL_version => 'TLSv1_2', SSL_create_ctx_callback =>
        sub { Net::SSLeay::CTX_set_options($_[0],
            Net::SSLeay::OP_NO_TICKET()) }],
);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

my $dir = $t->certificates;
Test::Plum::Certificates::deep($dir);
Test::Plum::Certificates::leaf($dir, 'second', 'DNS:second.test');
Test::Plum::Certificates::leaf($dir, 'brief', 'DNS:brief.test', 1);
Test::Plum::Certificates::revoke($dir, 'client');

$t->secret('key', $SECRET);
$t->secret('tickets', join '', map { chr } 1 .. 80);
$t->write_conf(configuration());
$t->run;

for my $kind (sort keys %KIND) {
    strangers($kind);
    authorities($kind);
}

# kind => name of the certificate => session at "own"
my %session = map {
    my $kind = $_;
    $kind => {map { $_ => begun($kind, 'own', $_) } qw(client second deep
        brief)};
} sort keys %KIND;

still_good('resumed');

ok($t->reload, 'a reload');
still_good('after a reload');

$t->write_conf(configuration('ssl_crl %%TESTDIR%%/lists.crl;'));
ok($t->reload, 'a reload with revocation lists');
for my $kind (sort keys %KIND) {
    resumed("$kind, revoked since", 403, $session{$kind}{client}, 'own');
    resumed("$kind, not revoked", 200, $session{$kind}{second}, 'own');
    is(deliver('own', 'client', @{$KIND{$kind}})->{status}, 400,
        "$kind, revoked, a new session");
    is(deliver('own', 'deep', @{$KIND{$kind}})->{status}, 200,
        "$kind, with an authority between, a new session");
}

later();

$t->done_testing;


# Servers of addresses of their own: the client asks for no name.  "own"
# demands certificates of ca, "other" those of other-ca, and "loose" verifies
# as "own" does, but demands nothing

sub configuration {
    my ($crl) = @_;

    my $servers = '';
    for my $case (['own', 'ca', ' client_certificate'], ['loose', 'ca', ''],
        ['other', 'other-ca', ' client_certificate'])
    {
        my ($name, $ca, $certificate) = @$case;
        $servers .= "server { listen 127.0.0.1:%%PORT_$name%% ssl;\n"
            . "ssl_trusted_certificate %%TESTDIR%%/$ca.crt;\n"
            . ($name eq 'own' && $crl || '') . "\n"
            . "plum_tls TLSv1.2$certificate;\n"
            . "access_log %%TESTDIR%%/access.log plum;\n"
            . "location / { plum on;\n"
            . "proxy_pass http://127.0.0.1:%%PORT_up%%; } }\n";
    }

    return <<"CONF";
%%GLOBALS%%
env LD_PRELOAD;
env FAKETIME;
env FAKETIME_FMT;
env FAKETIME_DONT_FAKE_MONOTONIC;
events {
}
http {
    %%HTTP_GLOBALS%%
    log_format plum '\$request_uri \$status \$plum_verdict \$plum_reason';

    plum_secret key %%TESTDIR%%/key;
    plum_allowlist clean { allow id; }
    plum_signature github secret=key;
    plum_allow clean;

    %%TLS_SERVER%%
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_verify_client optional_no_ca;
    ssl_verify_depth 2;
    ssl_session_cache shared:sessions:1m;
    ssl_session_ticket_key %%TESTDIR%%/tickets;
    ssl_session_timeout 5d;

$servers
}
CONF
}


# one delivery, on a connection of its own; tls: options for IO::Socket::SSL

sub deliver {
    my ($port, $cert, @tls) = @_;

    my $uri = '/?n=' . ++$serial;
    my $c = $t->client($port, sni => '', cert => $cert,
        tls => {@tls, SSL_verify_mode => 0});
    my $status = $t->deliver(client => $c, scheme => 'github',
        secret => $SECRET, body => '{"id":1}', uri => $uri)->status;
    my $reused = $c->connected && $c->socket->get_session_reused;
    $c->close;

    my $log = $t->wait_log(qr/^\Q$uri\E /, 3, 'access.log') || '';
    return {
        status => $status, reused => $reused, error => $c->{error},
        why => (split / /, $log)[3],
        forwarded => scalar grep { $_->{uri} eq $uri } $up->requests,
    };
}


# the options of a session that was begun there with that certificate

sub begun {
    my ($kind, $port, $cert) = @_;

    my @tls = (@{$KIND{$kind}}, Test::Plum::Session->new->options);
    my $r = deliver($port, $cert, @tls);
    is($r->{status}, 200, "$kind, begun at $port by $cert")
        or diag($r->{error} || '');
    return \@tls;
}


sub resumed {
    my ($what, $status, $session, $port) = @_;

    my $r = deliver($port, undef, @$session);
    is($r->{status}, $status, "$what: answer") or diag($r->{error} || '');
    is($r->{why}, $status == 200 ? '-' : 'client_certificate', "$what: why");
    is($r->{forwarded}, $status == 200 ? 1 : 0, "$what: forwarded or not");
    ok($r->{reused}, "$what: in the session");
    return;
}


# a session that another server has found good, or not

sub strangers {
    my ($kind) = @_;

    my $session = begun($kind, 'other', 'stranger');
    resumed("$kind, of another authority", 403, $session, 'own');
    resumed("$kind, where it belongs", 200, $session, 'other');

    my @tls = (@{$KIND{$kind}}, Test::Plum::Session->new->options);
    is(deliver('other', 'client', @tls)->{status}, 403, "$kind, not good");
    resumed("$kind, not found good", 403, \@tls, 'own');
    return;
}


# a server that has found it good by what "own" finds it good, and leaves no
# mark: verified again, if that can be without what the client has sent

sub authorities {
    my ($kind) = @_;

    resumed("$kind, verified again", 200, begun($kind, 'loose', 'client'),
        'own');
    resumed("$kind, it cannot be", 403, begun($kind, 'loose', 'deep'), 'own');
    return;
}


sub still_good {
    my ($what) = @_;

    for my $kind (sort keys %session) {
        resumed("$kind, $what, $_", 200, $session{$kind}{$_}, 'own')
            for sort keys %{$session{$kind}};
    }
    return;
}


# two days later; the tickets are as good as before

sub later {
    SKIP: {
        skip 'no libfaketime (Debian: faketime)', 1 if !$FAKETIME;

        ok($t->quit, 'ended');
        $t->write_conf(configuration());
        $t->{env} = {
            LD_PRELOAD => $FAKETIME, FAKETIME => time() + 2 * 86_400,
            FAKETIME_FMT => '%s', FAKETIME_DONT_FAKE_MONOTONIC => 1,
        };
        $t->run;

        for my $kind ('TLS 1.2', 'TLS 1.3') {
            my %of = %{$session{$kind}};
            resumed("$kind, expired since", 403, $of{brief}, 'own');
            resumed("$kind, not expired, $_", 200, $of{$_}, 'own')
                for qw(client deep);
        }
    }
    return;
}
