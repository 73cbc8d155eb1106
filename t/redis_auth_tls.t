#!/usr/bin/perl

# Who may talk to Redis, and to which Redis: users of an ACL, passwords, and
# certificates.  What is not right in every part is a store that is
# unavailable, and a line in the log that says why and holds no secret.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Certificates;
use Test::Plum::Gateway;
use Test::Plum::Redis;

my $PASSWORD = 'tr0ub4dor-and-3';
my $WRONG = 'incorrect-horse-7';

my $t = Test::Plum::Gateway->new;
my $dir = $t->certificates;
Test::Plum::Certificates::expired($dir);
$t->secret('password', "$PASSWORD\n");
$t->secret('other-password', "$WRONG\n");

my %redis = (
    acl => {users => [
        documented_user() =~ s/>\S+/>$PASSWORD/r,
        "poor on >$PASSWORD ~plum:* -\@all +select +info",
        "astray on >$PASSWORD ~other:* +\@all",
    ]},
    pass => {password => $PASSWORD},
    plain => {},
    tls => {tls => {certificate => 'server'}},
    mutual => {tls => {certificate => 'server', client => 1}},
    name => {tls => {certificate => 'client'}},
    expired => {tls => {certificate => 'expired'}},
);
$redis{$_} = Test::Plum::Redis->new(test => $t, name => $_, %{$redis{$_}})
    for sort keys %redis;

my $at = '127.0.0.1:%%PORT_';
my $pass = 'password_file=%%TESTDIR%%/password';
my $ca = 'ca=%%TESTDIR%%/ca.crt';
my $mine = 'certificate=%%TESTDIR%%/client.crt '
    . 'certificate_key=%%TESTDIR%%/client.key';
my $strange = $mine =~ s/client\./stranger./gr;

# in TLS 1.3 a client learns after the handshake that it is not welcome, and
# the alert may be lost in a reset
my $RESET = qr/reset by peer.*maxmemory-policy/;

# where reads are cut (make test-short) the alert may not get here
my $CUT = $ENV{SHORT_IO_LOG} ? '|TLS handshake failed' : '';

# name, address and parameters, and for those that fail: what the log says
my @stores = (
    ['acl', "redis://nginx\@${at}acl%% $pass"],
    ['pass', "redis://${at}pass%% $pass"],
    ['socket', "unix:$redis{acl}{socket} user=nginx $pass"],
    ['tls', "rediss://localhost:%%PORT_tls%% $ca"],
    ['mutual', "rediss://localhost:%%PORT_mutual%% $ca $mine"],
    ['superfluous', "rediss://localhost:%%PORT_tls%% $ca $mine"],

    ['wrong_password', "redis://nginx\@${at}acl%% "
        . 'password_file=%%TESTDIR%%/other-password', qr/WRONGPASS/],
    ['wrong_user', "redis://nobody\@${at}acl%% $pass", qr/WRONGPASS/],
    ['wrong_default', "redis://${at}pass%% "
        . 'password_file=%%TESTDIR%%/other-password', qr/WRONGPASS/],
    ['no_password', "redis://${at}pass%%", qr/NOAUTH/],
    ['poor', "redis://poor\@${at}acl%% $pass", qr/NOPERM/],
    ['astray', "redis://astray\@${at}acl%% $pass", qr/NOPERM/],
    ['other_ca', "rediss://localhost:%%PORT_tls%% "
        . 'ca=%%TESTDIR%%/other-ca.crt', qr/certificate|issuer/i],
    ['system_ca', 'rediss://localhost:%%PORT_tls%%',
        qr/certificate|issuer/i],
    ['other_name', "rediss://localhost:%%PORT_name%% $ca",
        qr/certificate.*(?:name|match)|(?:name|match).*certificate/i],
    ['expired', "rediss://localhost:%%PORT_expired%% $ca", qr/expired/],
    ['no_certificate', "rediss://localhost:%%PORT_mutual%% $ca",
        qr/certificate required|$RESET$CUT/],
    ['strange', "rediss://localhost:%%PORT_mutual%% $ca $strange",
        qr/unknown ca|$RESET/],
    ['plain_to_tls', "redis://${at}tls%%", qr/it closed the connection/],
    ['tls_to_plain', "rediss://localhost:%%PORT_plain%% $ca",
        qr/(?:too slow|TLS handshake failed).*TLS handshaking/],
);

$t->gateway(
    default => 'acl',
    stores => join('', map { "plum_store $_->[0] $_->[1];\n" } @stores),
    locations => {map { ("/$_->[0]" => "plum_idempotency $_->[0];") }
        @stores},
);

accepted(@$_) for grep { !$_->[2] } @stores;
refused(@$_) for grep { $_->[2] } @stores;
changed_password();

unlike($t->error_log, qr/\Q$_\E/, 'no secret in the log')
    for $PASSWORD, $WRONG;
$t->done_testing;


# the rule that docs/REDIS.md recommends, so that it is true

sub documented_user {
    my $text = $t->read_file($t->root . '/docs/REDIS.md');
    my ($rule) = $text =~ /^user (nginx on .*)$/m;
    die "no rule for the user nginx in docs/REDIS.md\n" if !$rule;
    # what it also says: not for a Redis before 6.2
    $rule =~ s/ resetchannels\b// if `redis-server --version` =~ /v=6\.0\./;
    return $rule;
}


sub accepted {
    my ($name) = @_;

    my $key = $t->next_key;
    is($t->forwards(sub {
        ok($t->recovers("/$name"), "$name: at work");
        is($t->status($key, "/$name"), 200, "$name: $_")
            for qw(new duplicate);
        $t->{up}->script({status => 500});
        my $retry = $t->next_key;
        is($t->status($retry, "/$name"), 500, "$name: a failure");
        is($t->status($retry, "/$name"), 200, "$name: a retry");
    }, $key), 1, "$name: forwarded once");
    return;
}


sub refused {
    my ($name, $address, $regex) = @_;

    # the first may come before the connection is judged
    is($t->forwards(sub {
        for (1 .. 3) {
            my $r = $t->send_event($t->next_key, "/$name");
            is($r->status, 503, "$name: 503");
            ok($r->header('retry-after'), "$name: Retry-After");
        }
    }), 0, "$name: nothing is forwarded");

    my @lines = grep { !/, client: / }
        $t->log_lines(qr/"\Q$name\E".*$regex|$regex.*"\Q$name\E"/);
    ok(scalar @lines, "$name: the log says why")
        or diag($t->log_lines(qr/\b$name\b/));
    ok(@lines < 4, "$name: and not at every delivery") or diag("@lines");
    is($t->status($t->next_key), 200, "$name: a good delivery after it");
    return;
}


# what has been proved once is not proved for ever

sub changed_password {
    my $acl = $redis{acl};
    $acl->command('ACL', 'SETUSER', 'nginx', 'resetpass', '>other');
    $acl->command('CLIENT', 'KILL', 'USER', 'nginx');

    is($t->forwards(sub {
        $t->status($t->next_key);
        is($t->status($t->next_key), 503, 'the password has changed');
    }), 0, 'nothing is forwarded');
    $acl->command('ACL', 'SETUSER', 'nginx', ">$PASSWORD");
    ok($t->recovers('/'), 'and changed back: at work again');
    return;
}
