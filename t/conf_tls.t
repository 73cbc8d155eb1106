#!/usr/bin/perl

# What nginx -t says of a plum_tls that no delivery can satisfy, and that it
# is silent of one that some can.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;

my $CA = 'ssl_client_certificate %%TESTDIR%%/ca.crt;';
my $VERSIONS = 'ssl_protocols TLSv1.2 TLSv1.3;';
my $TLS = 'listen 127.0.0.1:%%PORT_tls%% ssl; %%TLS_SERVER%%';
my $PLAIN = 'listen 127.0.0.1:%%PORT_plain%%;';
my $UNIX = 'listen unix:%%TESTDIR%%/socket;';

my $NO_TLS = '"plum_tls" demands TLS, and no "listen" of the server has it: '
    . 'every delivery is refused; write "listen ... ssl", or "version=" where '
    . 'a balancer ends TLS, or "plum_tls off"';
my $NOT_ASKED = '"plum_tls" demands a client certificate, and the server does '
    . 'not ask for one: every delivery is refused; write "ssl_verify_client '
    . 'optional"';
my $NO_CONTEXT = '"plum_tls" demands a client certificate, and the server has '
    . 'no "ssl_certificate" of its own, so that another server does the TLS '
    . 'handshakes: every delivery is refused';
my $NO_CA = '"plum_tls" demands a client certificate, and the server has no '
    . '"ssl_client_certificate" and no "ssl_trusted_certificate" to verify it '
    . 'by: every delivery is refused';
my $NO_CONNECTION = '"client_certificate" of "plum_tls" is that of the '
    . 'connection, and no "listen" of the server has TLS: every delivery is '
    . 'refused; write "client_certificate=$variable" where a balancer '
    . 'verifies it';
my $NO_VERSION = '"ssl_protocols" of the server allows nothing that '
    . '"plum_tls" demands: every delivery is refused';
my $OFF = '"plum_tls off" on a public listen';

my $t = Test::Plum->new;

$t->secret('key', 'correct horse battery staple');

warned('plain', "$PLAIN", 'plum_tls TLSv1.2;', $NO_TLS);
warned('plain, the default', $PLAIN, '', $NO_TLS);
warned('plain, twice', "$PLAIN $UNIX", 'plum_tls TLSv1.3;', $NO_TLS);
warned('plain, observed', $PLAIN, 'plum_mode observe;', $NO_TLS);
warned('plain and TLS', "$PLAIN $TLS $VERSIONS", '');
warned('plain, a balancer', $PLAIN, 'plum_tls TLSv1.2 version=$http_x_tls;');
warned('plain, off', "$PLAIN $UNIX", 'plum_tls off;');
warned('plain, off, public', 'listen %%PORT_plain%%;', 'plum_tls off;', $OFF);

for my $variable ('', '=$ssl_client_verify', '=${ssl_client_verify}',
    '=$SSL_CLIENT_VERIFY')
{
    my $plum = "plum_tls TLSv1.2 client_certificate$variable;";

    warned("not asked for$variable", "$TLS $VERSIONS $CA", $plum, $NOT_ASKED);
    warned("not asked for, off$variable",
        "$TLS $VERSIONS $CA ssl_verify_client off;", $plum, $NOT_ASKED);
    warned("asked for$variable, $_",
        "$TLS $VERSIONS $CA ssl_verify_client $_;", $plum)
        for qw(on optional optional_no_ca);
    warned("of a connection without TLS$variable", $PLAIN,
        $plum =~ s/client/version=\$http_x_tls client/r, $NO_CONNECTION);
}

my $plum = 'plum_tls TLSv1.2 client_certificate;';
warned('no authority', "$TLS $VERSIONS ssl_verify_client optional_no_ca;",
    $plum, $NO_CA);
warned('an authority', "$TLS $VERSIONS ssl_verify_client optional_no_ca; "
    . 'ssl_trusted_certificate %%TESTDIR%%/ca.crt;', $plum);
warned('verified by a balancer', $PLAIN, 'plum_tls TLSv1.2 '
    . 'version=$http_x_tls client_certificate=$http_x_verify;');
warned('a variable, a server that asks for none', "$TLS $VERSIONS",
    'plum_tls TLSv1.2 client_certificate=$http_x_verify;');

# the default server has TLS, and this one does the same listen without it
warned('no context', 'listen 127.0.0.1:%%PORT_tls%% ssl; server_name b; '
    . "$CA ssl_verify_client on; $VERSIONS", $plum, $NO_CONTEXT,
    "server { $TLS $VERSIONS }");

warned("protocols, $_->[0], $_->[1]", "$TLS ssl_protocols $_->[0];",
    "plum_tls $_->[1];", $NO_VERSION)
    for ['TLSv1 TLSv1.1', 'TLSv1.2'], ['TLSv1.2', 'TLSv1.3'];

$t->done_testing;


# nginx -t of a server with these directives, and a location with those: what
# it warns of, where plum is on

sub warned {
    my ($what, $server, $location, $warning, $before) = @_;

    my $conf = $t->expand(<<"CONF", test => 1);
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_signature standard-webhooks secret=key;
    plum_allow all;
    @{[$before || '']}
    server {
        $server
        location / {
            $location
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
            if (\$http_a) { set \$b c; }
        }
    }
}
CONF
    my ($line) = map { $_ + 1 } grep { (split /\n/, $conf)[$_] =~ /plum on/ }
        0 .. ($conf =~ tr/\n//) - 1;

    my ($status, $said) = $t->test_config($conf);
    is($status, 0, "$what: allowed") or diag($said);
    is(join("\n", grep { /\[warn\]/ } split /\n/, $said), $warning
        ? "nginx: [warn] $warning in " . $t->path('config-test.conf')
        . ":$line" : '', "$what: said");
    return;
}
