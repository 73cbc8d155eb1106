#!/usr/bin/perl

# Signatures that vendors and their libraries published, through a gateway
# whose clock stands at the second that each vector names.  The file stays
# where it is: PLUM_VECTORS, by default ../shared/vectors beside the
# repository.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Test::Plum;

my $FILE = ($ENV{PLUM_VECTORS} || "$FindBin::Bin/../../shared/vectors")
    . '/webhooks.json';
my ($FAKETIME) = glob '/usr/lib/{*/,}faketime/libfaketime.so.1';

plan(skip_all => "no $FILE (PLUM_VECTORS)") if !-e $FILE;
plan(skip_all => 'no libfaketime (Debian: faketime)') if !$FAKETIME;

# vectors of plain MACs come without a vendor; their names here
my %GENERIC = (
    'hmac-hex' => 'hmac encoding=hex',
    'hmac-base64' => 'hmac encoding=base64',
    'timestamp-dot-body-hex' => 'hmac encoding=hex timestamp=x-timestamp '
        . '"content={timestamp}.{body}"',
);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $vectors = JSON::PP->new->utf8->decode($t->read_file($FILE))->{vectors};
my (%at, $sha1);

cmp_ok(scalar @$vectors, '>=', 37, 'the file is whole');

for my $vector (@$vectors) {
    if (($vector->{algorithm} || '') eq 'hmac-sha1') {
        sha1($vector);
        $sha1++;
        next;
    }
    push @{$at{clock($vector)}}, $vector;
}
ok($sha1, 'one of them is SHA-1');

at($_, @{$at{$_}}) for sort { $a <=> $b } keys %at;
$t->done_testing;


# vectors without a clock are good at any, if they do not name one themselves

sub clock {
    my ($vector) = @_;

    my $headers = $vector->{headers};
    return $vector->{now} || $headers->{'x-timestamp'}
        || $headers->{'webhook-timestamp'} || 1_700_000_000;
}


sub directives {
    my ($vector) = @_;

    my ($id, $scheme) = @$vector{qw(id scheme)};
    my $line = $GENERIC{$scheme} || $scheme;
    my ($header) = grep { /signature\z/ } keys %{$vector->{headers}};
    my $secret = $vector->{secret};
    my $encoding = $scheme !~ /\A(?:standard-webhooks|svix)\z/ ? 'raw'
        : ($secret || '') =~ /\Awhpk_/ ? 'whpk' : 'whsec';

    if ($GENERIC{$scheme}) {
        my ($hash) = $vector->{algorithm} =~ /\Ahmac-(.*)/;
        $line .= " header=$header algorithm=$hash";
    }
    $line .= " tolerance=$vector->{tolerance}s" if $vector->{tolerance};

    # the example of a specification, whose secret is not known
    $secret = 'whsec_' . 'YWJj' x 10 if !defined $secret;
    $t->secret($id, $secret);
    return ("plum_secret $id %%TESTDIR%%/$id encoding=$encoding;",
        "plum_signature $line secret=$id;");
}


sub configuration {
    my (@vectors) = @_;

    my ($secrets, $locations) = ('', '');
    for my $vector (@vectors) {
        my ($secret, $signature) = directives($vector);
        $secrets .= "    $secret\n";
        $locations .= "        location /$vector->{id} { plum on; $signature"
            . " proxy_pass http://127.0.0.1:%%PORT_up%%; }\n";
    }

    return <<"CONF";
%%GLOBALS%%
env LD_PRELOAD;
env FAKETIME;
env FAKETIME_FMT;
env FAKETIME_DONT_FAKE_MONOTONIC;
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '\$http_x_n \$plum_verdict \$plum_reason \$msec';
    plum_tls off;
    plum_allow all;
$secrets
    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log plum;
$locations
    }
}
CONF
}


# a gateway at that second

sub at {
    my ($clock, @vectors) = @_;

    $t->{env} = {
        LD_PRELOAD => $FAKETIME, FAKETIME => $clock, FAKETIME_FMT => '%s',
        FAKETIME_DONT_FAKE_MONOTONIC => 1, TZ => 'UTC',
    };
    $t->write_conf(configuration(@vectors));
    $t->run;
    try_vector($clock, $_) for @vectors;
    ok($t->quit, "the gateway of $clock quits");
    return;
}


sub try_vector {
    my ($clock, $vector) = @_;

    my ($id, $body) = @$vector{qw(id body)};
    utf8::encode($body);
    my %headers = (%{$vector->{headers}}, 'content-type' => 'application/json',
        'x-n' => $id);
    $up->forget;
    my $status = $t->request(method => 'POST', uri => "/$id", body => $body,
        headers => \%headers)->status;

    my $line = $t->wait_log(qr/\A\Q$id\E /, 3, 'access.log') || 'no line';
    like($line, qr/ \Q$clock\E\.\d+\z/, "$id: the clock");
    my @bodies = map { $_->{body} } $up->requests;

    if ($vector->{expect} ne 'accept') {
        is($status, 401, "$id: refused, $vector->{why}");
        is("@bodies", '', "$id: not forwarded");
        like($line, qr/ refused credential_mismatch /, "$id: well-formed")
            if $vector->{expect} eq 'unknown';
        return;
    }

    # what is no JSON goes no further, but it was the signature that let it in
    if ($body !~ /\A\s*\{/) {
        is($status, 400, "$id: the signature is right");
        like($line, qr/ refused json_invalid /, "$id: ... the body no JSON");
        return;
    }
    is($status, 200, "$id: accepted, $vector->{why}");
    like($line, qr/ accepted - /, "$id: in the log");
    is("@bodies", $body =~ s/\s+\z//r, "$id: at the upstream");
    return;
}


# not offered

sub sha1 {
    my ($vector) = @_;

    my ($status, $said) = $t->test_config(configuration($vector));
    isnt($status, 0, "$vector->{id}: SHA-1 is no algorithm here");
    like($said, qr/\[emerg\].*algorithm.*sha1/, '... as nginx -t says');
    return;
}
