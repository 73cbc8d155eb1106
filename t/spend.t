#!/usr/bin/perl

# What a stranger can make the gateway spend: no more hashing of a body than
# an honest delivery costs, however many signatures a request carries; and
# what is too much is refused before the body is read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Crypt::PK::Ed25519;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Test::Plum;
use Test::Plum::Cases;
use Time::HiRes qw(sleep);

my $SECRET = 'a secret of many bytes 0123456789';
my $HMAC = 'v1,' . encode_base64('x' x 32, '');
my @PAIR = map { Crypt::PK::Ed25519->new->generate_key } 1, 2;
my @WHSK = map { Plum::Sign::secret('whsk_'
    . encode_base64($_->export_key_raw('private'), ''), 'whsk') } @PAIR;
my $SIZE = 200_000;

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $cases = Test::Plum::Cases->new($t, $up, good => sub { return sign(0) });

$t->secret('plum', $SECRET);
$t->secret("public$_", 'whpk_'
    . encode_base64($PAIR[$_]->export_key_raw('public'), '')) for 0, 1;
$t->write_conf(<<'CONF'
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    FORMAT
    keepalive_requests 100000;
    plum_secret plum %%TESTDIR%%/plum;
    plum_secret public %%TESTDIR%%/public0 encoding=whpk;
    plum_secret public %%TESTDIR%%/public1 encoding=whpk;
    plum_allow all;
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        LOG
        location / {
            plum on;
            plum_signature standard-webhooks secret=public;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /stripe {
            plum on;
            plum_signature stripe secret=plum;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /api-key {
            plum on;
            plum_signature api-key secret=plum;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
    =~ s/FORMAT/Test::Plum::Cases->log_format/er
    =~ s/LOG/Test::Plum::Cases->access_log/er);
$t->run;
my @workers = $t->workers;

candidates();
items();
large_keys();
work();

is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$cases->finish;
$t->done_testing;


# a delivery with an Ed25519 signature of key n

sub sign {
    my ($n, %opt) = @_;

    return $t->signed(scheme => 'standard-webhooks', secret => $WHSK[$n],
        body => '{"id":1}', %opt);
}


# a delivery whose signatures are these: numbers are keys, the rest text

sub with {
    my ($signatures, %opt) = @_;

    # of one second, or one of them has signed another timestamp
    %opt = (id => 'one', ts => int time(), %opt);
    my %request = sign(0, %opt);
    my @values = map {
        my $n = $_;
        $n !~ /\A\d\z/ ? $n : map { $_->[1] }
            grep { $_->[0] eq 'webhook-signature' }
            @{{sign($n, %opt)}->{headers}};
    } @$signatures;
    $request{headers} = Plum::Sign::override($request{headers},
        [['webhook-signature', join ' ', @values]]);
    return \%request;
}


sub forged { return 'v1a,' . encode_base64(pack('N', shift) x 16, '') }


# as many Ed25519 signatures as a rotation needs; beyond them the body is not
# even asked for

sub candidates {
    $cases->accept("v1a: key $_", with([$_]), secret => "public#@{[$_ + 1]}")
        for 0, 1;
    $cases->accept('v1a: of both keys', with([0, 1]), secret => 'public#1');
    $cases->accept('v1a: right, forged', with([1, forged(1)]));
    $cases->accept('v1a: forged, right', with([forged(1), 1]));
    $cases->accept('v1a: among 14 of HMAC',
        with([($HMAC) x 7, forged(1), ($HMAC) x 7, 0]));
    $cases->refuse('v1a: two forged', with([map { forged($_) } 1, 2]),
        'credential_mismatch');

    for my $n (3, 16) {
        my @forged = map { forged($_) } 2 .. $n;
        for my $case (["$n", [@forged, 0]], ["$n, cut off",
            [('v1a,QQ==') x ($n - 1), 0]])
        {
            $cases->refuse("v1a: $case->[0]", with($case->[1]),
                'credential_malformed');
            my $r = $cases->refuse("v1a: $case->[0], expecting 100",
                {%{with($case->[1])}, expect => 1}, 'credential_malformed');
            ok(!$r->continued, '... which does not come');
        }
    }
    return;
}


# thousands of items that mean nothing are not looked at

sub items {
    for my $case (['empty', ''], ['a word', 'x'], ['a version', 'v9=ab']) {
        my ($what, $item) = @$case;
        my $stripe = sub {
            my %request = $t->signed(scheme => 'stripe', uri => '/stripe',
                secret => $SECRET, body => '{"id":2}');
            my ($value) = map { $_->[1] }
                grep { $_->[0] eq 'stripe-signature' } @{$request{headers}};
            $request{headers} = Plum::Sign::override($request{headers},
                [['stripe-signature', "$item," x $_[0] . $value]]);
            return \%request;
        };

        $cases->accept("64 items, $what", $stripe->(62));
        $cases->refuse("65 items, $what", $stripe->(63),
            'credential_malformed');
        $cases->refuse("1000 items, $what", $stripe->(998),
            'credential_malformed');
    }
    return;
}


sub large_keys {
    my %request = (method => 'POST', uri => '/api-key', body => '{}');
    my $json = ['content-type', 'application/json'];

    $cases->refuse("a key of $_ bytes", {%request,
        headers => [$json, ['x-api-key', 'x' x $_]]}, 'credential_mismatch')
        for 1000, 8000;
    return;
}


# CPU time of the worker in ticks

sub ticks {
    my ($line) = $t->read_file("/proc/$workers[0]/stat") =~ /.*\) (.*)/;
    my @field = split ' ', $line;
    return $field[11] + $field[12];
}


# deliveries of one kind until they have cost enough to be measured

sub cost {
    my ($request, $n) = @_;

    my $c = $t->client(0);
    my $start = ticks();
    $c->request(%$request) for 1 .. $n;
    return ticks() - $start;
}


# the most that a stranger gets for his request beside an honest sender's one
# of the same size in the same moment

sub work {
    my $body = '{"id":"' . 'x' x $SIZE . '"}';
    my $honest = with([0], body => $body);
    my $stranger = with([map { forged($_) } 1, 2], body => $body);
    my $n = 20;

    # a tick is 10 ms: enough of them that one more or less means nothing
    $n *= 2 while cost($honest, $n) < 20 && $n < 2000;
    my ($ours, $his) = (0, 0);
    for (1 .. 3) {
        $ours += cost($honest, $n);
        $his += cost($stranger, $n);
    }
    cmp_ok($his, '<', 3 * $ours, "a stranger costs $his, we $ours");
    return;
}
