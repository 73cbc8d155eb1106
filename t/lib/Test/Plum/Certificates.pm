package Test::Plum::Certificates;

# Throw-away certificates by openssl(1); elliptic keys, because they are quick.

use strict;
use warnings;

use Test::Plum::Process qw(run_command);

my @openssl = ('openssl');


# ca, server for localhost and 127.0.0.1, client, and stranger: a client that
# another authority vouches for

sub make {
    my ($dir) = @_;

    _authority($dir, 'ca');
    _leaf($dir, 'ca', 'server', 'DNS:localhost,IP:127.0.0.1');
    _leaf($dir, 'ca', 'client', 'DNS:client.test');
    _authority($dir, 'other-ca');
    _leaf($dir, 'other-ca', 'stranger', 'DNS:stranger.test');
    return;
}


# expired: like server, but it ran out two years ago

sub expired {
    my ($dir) = @_;

    @openssl = ('faketime', '2 years ago', 'openssl');
    _leaf($dir, 'ca', 'expired', 'DNS:localhost,IP:127.0.0.1');
    @openssl = ('openssl');
    return;
}


# one more of that authority, for what it says: 'DNS:node.test'

sub leaf {
    my ($dir, $name, $alt) = @_;
    return _leaf($dir, 'ca', $name, $alt);
}


sub _authority {
    my ($dir, $name) = @_;

    _req($dir, $name, "/CN=$name.test",
        '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
    return;
}


sub _leaf {
    my ($dir, $ca, $name, $alt) = @_;

    my $cn = $name eq 'server' ? 'localhost' : "$name.test";
    _req($dir, $name, "/CN=$cn", '-CA', "$dir/$ca.crt",
        '-CAkey', "$dir/$ca.key", '-addext', "subjectAltName=$alt",
        '-addext', 'basicConstraints=critical,CA:FALSE');
    return;
}


sub _req {
    my ($dir, $name, $subject, @more) = @_;

    my ($status, $output) = run_command(@openssl, 'req', '-x509', '-newkey',
        'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
        '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt", '-subj',
        $subject, @more);
    die "openssl: $output\n" if $status != 0;
    chmod 0600, "$dir/$name.key";
    return;
}

1;
