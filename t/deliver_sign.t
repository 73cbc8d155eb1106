#!/usr/bin/perl

# plum_sign: each attempt is signed as Standard Webhooks has it, by every live
# secret, and our own gate takes it.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Crypt::PK::Ed25519;
use Digest::SHA qw(hmac_sha256_base64);
use MIME::Base64 qw(encode_base64 decode_base64);
use Test::More;

use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');

my $old = 'the old secret of a consumer';
my $new = 'the new secret of a consumer';
my $pair = Crypt::PK::Ed25519->new->generate_key;
my $seed = $pair->export_key_raw('private');
my $public = $pair->export_key_raw('public');

$t->secret('new', 'whsec_' . encode_base64($new, ''));
$t->secret('old', $old);
$t->secret('seed', 'whsk_' . encode_base64($seed, ''));
$t->secret('both', encode_base64($seed . $public, ''));
$t->secret('public', encode_base64($public, ''));

$t->gateway(
    consumers => [map {"deliver $_ /deliver/$_ for=$_;"} qw(mac key gate)],
    allow => 'all_of_them',
    deliver => 'plum_deliver retry=1100ms,5s breaker=off; ',
    lists => <<'CONF',
        plum_secret mac %%TESTDIR%%/new encoding=whsec;
        plum_secret mac %%TESTDIR%%/old;
        plum_secret key %%TESTDIR%%/seed encoding=whsk;
        plum_secret key %%TESTDIR%%/both encoding=whsk;
        plum_secret public %%TESTDIR%%/public encoding=whpk;
CONF
    locations => {
        '/deliver/mac' => sign('mac')
            . 'proxy_pass http://127.0.0.1:%%PORT_up%%;',
        '/deliver/key' => sign('key')
            . 'proxy_pass http://127.0.0.1:%%PORT_up%%;',
        '/deliver/gate' => sign('key')
            . 'proxy_pass http://127.0.0.1:%%PORT_gate%%;',
    },
    http => <<'CONF',
        server {
            listen 127.0.0.1:%%PORT_gate%%;
            plum_tls off;
            location / {
                plum on;
                plum_signature standard-webhooks secret=public;
                plum_allow all;
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
        }
CONF
);
my $up = $t->{up};

macs();
keys_of_ed25519();
gate();

unlike($t->error_log, qr/secret of a consumer/, 'no secret is logged');
$t->done_testing;


sub sign { return "plum_sign standard-webhooks secret=$_[0]; " }


# the three headers, and what they sign

sub signed {
    my ($got) = @_;

    my ($id, $time, $signature) = map { $up->header($got, "Webhook-$_") }
        qw(Id Timestamp Signature);
    return ($id, $time, "$id.$time.$got->{body}", split / /, $signature);
}


sub macs {
    my $key = $t->next_key;
    $up->script({status => 500});
    $t->accepted({id => $key, type => 'mac'});
    my @got = $up->wait_for(2);
    my ($id, $time, $content, @signatures) = signed($got[0]);
    is($id, $key, 'the id is the key');
    cmp_ok(abs($time - time), '<', 60, 'the time is now');
    is_deeply(\@signatures, [map { 'v1,' . hmac_sha256_base64($content, $_)
        . '=' } $new, $old], 'a signature by each live secret');

    my ($id2, $time2, $content2, @again) = signed($got[1]);
    is($id2, $key, 'the next attempt has the same id');
    cmp_ok($time2, '>', $time, 'and a time of its own');
    is($again[0], 'v1,' . hmac_sha256_base64($content2, $new) . '=',
        'and is signed anew');
    return;
}


sub keys_of_ed25519 {
    $up->forget;
    $t->accepted({id => $t->next_key, type => 'key'});
    my ($got) = $up->wait_for(1);
    my (undef, undef, $content, @signatures) = signed($got);
    is(scalar @signatures, 2, 'two private keys');
    for my $one (@signatures) {
        my ($bytes) = $one =~ /\Av1a,(.*)\z/;
        ok($pair->verify_message(decode_base64($bytes || ''), $content),
            'an Ed25519 signature');
    }
    return;
}


sub gate {
    $up->forget;
    my $key = $t->next_key;
    $t->accepted({id => $key, type => 'gate'});
    is($t->ends($key, 1), '1:200:delivered', 'a gate takes what we sign');
    return;
}
