#!/usr/bin/perl

# What the policy report must not do: show a secret, replace a file, follow a
# symbolic link, or be written by anything but "nginx -t".

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Test::Plum;
use Test::Plum::Policy qw(policy policy_json);
use Test::Plum::Process qw(run_command);

my %SECRET = (
    words => 'correct horse battery staple',
    short => 'hunter2hunter2',
    hex => unpack('H*', join '', map { chr(7 * $_ % 251) } 1 .. 32),
    whsec => 'whsec_' . encode_base64('of the partner, 32 bytes of it!!', ''),
    whsk => 'whsk_' . encode_base64('the seed of a private key, 32 by', ''),
    redis => 'the password of a redis',
);

my $t = Test::Plum->new(env => {});
my $report = $t->path('asked-for.json');
$t->{env}{PLUM_POLICY} = $report;
$t->secret($_, "$SECRET{$_}\n") for keys %SECRET;
my $up = $t->upstream('up');

my $CONF = <<'CONF';
%%GLOBALS%%
env PLUM_POLICY;
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret words %%TESTDIR%%/words;
    plum_secret short %%TESTDIR%%/short;
    plum_secret hex %%TESTDIR%%/hex encoding=hex;
    plum_secret whsec %%TESTDIR%%/whsec encoding=whsec;
    plum_secret whsk %%TESTDIR%%/whsk encoding=whsk;
    plum_store far redis://someone@127.0.0.1:1
        password_file=%%TESTDIR%%/redis;
    plum_store mem memory:1m;
    plum_tls off;
    plum_allow all;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_satisfy any;
        plum_signature api-key secret=words;
        plum_signature body-token secret=short path=token;
        plum_signature github secret=hex;
        plum_signature standard-webhooks secret=whsec;
        plum_idempotency mem;
        plum_idempotency_key $plum_body_sha256;
        location / {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF

$t->write_file('nginx.conf', $t->expand($CONF));
my $conf = $t->write_file('policy.conf', $t->expand($CONF, test => 1));

secrets();
fingerprints();
files();
broken();
running();
$t->done_testing;


# as they stand in the file, decoded, encoded otherwise, and hashed quickly

sub spellings {
    my ($name) = @_;

    my $text = $SECRET{$name};
    my @bytes = ($text);
    push @bytes, pack 'H*', $text if $name eq 'hex';
    push @bytes, MIME::Base64::decode_base64($text =~ s/\Awhs\w+_//r)
        if $name =~ /\Awhs/;
    return map { my $one = $_; ($one, unpack('H*', $one),
        encode_base64($one, '') =~ s/=+\z//r,
        map { substr sha256_hex($_), 0, 8 } $one, "$one\n") } @bytes;
}


sub secrets {
    for my $args (['--json'], ['--markdown'], [], ['--diff', $conf],
        ['--diff', '--json', $conf])
    {
        my ($status, $said) = policy($t, @$args, $conf);
        is($status, 0, "plum-policy @$args") or diag($said);
        for my $name (sort keys %SECRET) {
            my @found = grep { index($said, $_) >= 0 } spellings($name);
            is_deeply(\@found, [], "@$args: nothing of $name");
        }
    }
    return;
}


sub fingerprints {
    my %print = map { $_->{label} => $_ }
        @{policy_json($t, $conf)->{secrets}};
    is($print{'short#1'}{fingerprint}, undef, 'a short secret has none');
    ok($print{'short#1'}{short}, 'it is called short');
    like($print{"$_#1"}{fingerprint}, qr/\A[0-9a-f]{8}\z/, "$_ has one")
        for qw(words hex whsec);
    like($print{'whsk#1'}{fingerprint}, qr/\A[0-9a-f]{16}\z/,
        'that of a private key is of its public key');

    # the same secret of two names has two; another secret another one
    my $other = $t->write_file('other.conf', $t->expand($CONF
        =~ s/^(\s+plum_secret hex )/    plum_secret more %%TESTDIR%%\/words;
$1/mr, test => 1));
    my %more = map { $_->{label} => $_->{fingerprint} }
        @{policy_json($t, $other)->{secrets}};
    is($more{'words#1'}, $print{'words#1'}{fingerprint}, 'it stays');
    isnt($more{'more#1'}, $more{'words#1'}, 'the name is a part of it');
    return;
}


sub test_config {
    my ($file, $name) = @_;

    local $ENV{PLUM_POLICY} = $file;
    return run_command($t->{nginx}, '-t', '-p', $t->dir . '/', '-c',
        $name // $conf, '-e', $t->path('config-test.log'));
}


sub files {
    my $file = $t->path('report.json');
    my $umask = umask 0;
    my ($status, $said) = test_config($file);
    umask $umask;
    is($status, 0, 'a file that is new') or diag($said);
    is(sprintf('%o', (stat $file)[2] & 07777), '600', 'is for us alone');

    $t->write_file('report.json', 'what was here before');
    ($status, $said) = test_config($file);
    isnt($status, 0, 'a file that is there');
    like($said, qr/\[emerg\] .*policy report "\Q$file\E" could not be created/,
        'what is said');
    is($t->read_file('report.json'), 'what was here before', 'it is kept');

    for my $target (qw(report.json nowhere.json)) {
        my $link = $t->path("link-to-$target");
        symlink $t->path($target), $link or die "symlink: $!\n";
        ($status, $said) = test_config($link);
        isnt($status, 0, "a symbolic link to $target");
    }
    is($t->read_file('report.json'), 'what was here before', 'not followed');
    ok(!-e $t->path('nowhere.json'), 'nor where it leads to nothing');

    ($status, $said) = test_config('relative.json');
    isnt($status, 0, 'a relative path');
    like($said, qr/PLUM_POLICY "relative\.json" is no absolute path/,
        'what is said');
    return;
}


# what is not good is not reported

sub broken {
    my $file = $t->path('broken.json');
    my $bad = $t->write_file('bad.conf', $t->expand($CONF
        =~ s/^(\s+)(server \{)/$1map \$a \$b { broken; }\n$1$2/mr,
        test => 1));
    my ($status, $said) = test_config($file, $bad);
    isnt($status, 0, 'a configuration that is wrong');
    ok(!-e $file, 'has no report');

    my $late = $t->write_file('late.conf', $t->expand($CONF
        =~ s/location \/ \{/location \/ { set \$x \$no_such_variable;/r,
        test => 1));
    ($status, $said) = test_config($file, $late);
    isnt($status, 0, 'one that is found wrong after it was merged');
    ok(!-e $file, 'has no report, either');
    return;
}


# a server that has the variable in its environment, through a reload

sub running {
    local $ENV{PLUM_POLICY} = $report;

    $t->run;
    my $deliver = sub { $t->deliver(scheme => 'api-key',
        secret => $SECRET{words}, body => qq({"id": $_[0]})) };
    is($deliver->(1)->status, 200, 'a delivery');
    ok(!-e $report, 'the start has written nothing');
    ok($t->reload, 'reloads');
    is($deliver->(2)->status, 200, 'a delivery');
    ok(!-e $report, 'nor has the reload');
    is(scalar($up->requests), 2, 'both have arrived');

    # the variable was there: "nginx -t" writes
    my ($status) = test_config($report);
    is($status, 0, 'nginx -t beside it');
    ok(-e $report, 'writes');
    is($deliver->(3)->status, 200, 'and the server goes on');
    return;
}
