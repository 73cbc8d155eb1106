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


# one more of that authority, for what it says: 'DNS:node.test', valid for so
# many days

sub leaf {
    my ($dir, $name, $alt, $days) = @_;
    return _leaf($dir, 'ca', $name, $alt, $days);
}


# deep: a client of an authority that is itself vouched for by ca; deep.crt
# holds both certificates, as the client sends them

sub deep {
    my ($dir) = @_;

    _authority($dir, 'between', '-CA', "$dir/ca.crt", '-CAkey',
        "$dir/ca.key");
    _leaf($dir, 'between', 'deep', 'DNS:deep.test');

    open my $from, '<', "$dir/between.crt" or die "between.crt: $!";
    open my $to, '>>', "$dir/deep.crt" or die "deep.crt: $!";
    print $to readline $from;
    close $to or die "deep.crt: $!";
    return;
}


# lists.crl: what ca and between (see deep) have revoked, namely this one of ca

sub revoke {
    my ($dir, $name) = @_;

    open my $lists, '>', "$dir/lists.crl" or die "lists.crl: $!";

    for my $ca ('ca', 'between') {
        open my $conf, '>', "$dir/$ca.cnf" or die "$ca.cnf: $!";
        print $conf "[ca]\ndefault_ca = own\n[own]\ndatabase = $dir/$ca.db\n"
            . "certificate = $dir/$ca.crt\nprivate_key = $dir/$ca.key\n"
            . "default_md = sha256\ndefault_crl_days = 30\n";
        close $conf or die "$ca.cnf: $!";
        open my $db, '>', "$dir/$ca.db" or die "$ca.db: $!";
        close $db;

        my @ca = ('openssl', 'ca', '-config', "$dir/$ca.cnf");
        _command(@ca, '-revoke', "$dir/$name.crt") if $ca eq 'ca';
        print $lists _command(@ca, '-gencrl');
    }
    close $lists or die "lists.crl: $!";
    return;
}


sub _authority {
    my ($dir, $name, @more) = @_;

    _req($dir, $name, "/CN=$name.test", @more,
        '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
    return;
}


sub _leaf {
    my ($dir, $ca, $name, $alt, $days) = @_;

    my $cn = $name eq 'server' ? 'localhost' : "$name.test";
    _req($dir, $name, "/CN=$cn", '-days', $days || 30, '-CA', "$dir/$ca.crt",
        '-CAkey', "$dir/$ca.key", '-addext', "subjectAltName=$alt",
        '-addext', 'basicConstraints=critical,CA:FALSE');
    return;
}


sub _req {
    my ($dir, $name, $subject, @more) = @_;

    _command(@openssl, 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-keyout',
        "$dir/$name.key", '-out', "$dir/$name.crt", '-subj', $subject, @more);
    chmod 0600, "$dir/$name.key";
    return;
}


sub _command {
    my ($status, $output) = run_command(@_);
    die "openssl: $output\n" if $status != 0;
    return $output;
}

1;
