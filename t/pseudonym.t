#!/usr/bin/perl

# pseudonym in plum_allowlist: what leaves in the place of a value that names
# a person, to an upstream and to the consumers of a queue; and what nginx -t
# says of it.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use MIME::Base64 qw(encode_base64url);
use Test::More;

use Test::Plum::Queue;
use Test::Plum::Redis;

my %KEY = (people => 'a key of all people, 0123456789ab',
    partner => 'a key of the partner, 0123456789a',
    before => 'the key of last year, 0123456789a');

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');

$t->secret($_, $KEY{$_}) for keys %KEY;
my %conf = (
    lists => <<'LISTS',
        plum_secret people %%TESTDIR%%/people;
        plum_secret people %%TESTDIR%%/before;
        plum_secret partner %%TESTDIR%%/partner;
        plum_allowlist orders {
            allow      id total user.country;
            pseudonym  user.id 'buyers[].*' secret=people;
        }
        plum_allowlist typed {
            event_type type;
            allow      type;
            pseudonym  user.mail secret=partner for=order.*;
            pseudonym  user.id secret=people;
        }
        plum_allowlist raw { event_type type; allow id user.*; }
        plum_allowlist own { allow id; pseudonym user.id secret=people; }
        plum_allowlist theirs { allow id; pseudonym user.id secret=partner; }
LISTS
    server => 'plum_max_body 1m;',
    allow => 'raw',
    consumers => ['deliver own /deliver/own allow=own;',
        'deliver theirs /deliver/theirs allow=theirs;',
        'deliver raw /deliver/raw;'],
    more => <<'CONF',
        location = /inline { plum on; plum_allow orders;
            plum_idempotency off; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location = /typed { plum on; plum_allow typed;
            plum_idempotency off; proxy_pass http://127.0.0.1:%%PORT_up%%; }
CONF
);
$t->gateway(%conf);
my $up = $t->{up};
$t->pause($_) for qw(own theirs raw);

values_of_people();
spelt();
events();
large();
consumers();
refused();

$t->done_testing;


sub pseudonym {
    my ($value, $key) = @_;
    my $mac = substr hmac_sha256($value, $KEY{$key || 'people'}), 0, 16;
    return '"' . encode_base64url($mac) . '"';
}


# what is forwarded of a body

sub forwarded {
    my ($body, $uri, $status) = @_;

    $up->forget;
    is($t->accept($body, uri => $uri || '/inline')->status, $status || 200,
        'its answer');
    return join ' ', map { $_->{body} } $up->requests;
}


sub values_of_people {
    is(forwarded('{"id":"a","type":"t","user":{"id":"19980000000000000001",'
        . '"name":"N","country":"IN"},"buyers":[{"id":7,"x":true},{"id":8}],'
        . '"total":5}'),
        '{"id":"a","user":{"id":'
        . pseudonym('19980000000000000001') . ',"country":"IN"},"buyers":[{'
        . '"id":' . pseudonym(7) . '},{"id":' . pseudonym(8) . '}],"total":5}',
        'pseudonyms, and the rest as ever');
    is(forwarded('{"user":{"id":null},"id":"b"}'), '{"user":{},"id":"b"}',
        'null is left out');
    is(forwarded('{"user":{"id":{"a":1}},"id":"c"}'), '{"user":{},"id":"c"}',
        'and so is an object');
    is(forwarded('{"id":"d","user":7}'), '{"id":"d"}', 'and a user of no kind');
}


# one person, however the id is spelt

sub spelt {
    my $one = pseudonym("J\xc3\xbcrgen");
    is(forwarded(qq({"user":{"id":"$_"},"id":1})),
        qq({"user":{"id":$one},"id":1}), "spelt $_")
        for "J\xc3\xbcrgen", 'J\u00fcrgen', '\u004a\u00FCrgen';
    is(forwarded(qq({"user":{"id":$_},"id":1})),
        '{"user":{"id":' . pseudonym(17) . '},"id":1}', "spelt $_")
        for 17, '"17"';
    is(forwarded('{"user":{"id":"\ud800"},"id":1}'),
        '{"user":{"id":null},"id":1}', 'what has no UTF-8 is null');
}


sub events {
    my $mail = pseudonym('a@b.example', 'partner');
    my $id = pseudonym(9);
    my $user = '"user":{"mail":"a@b.example","id":9}';
    is(forwarded(qq({$user,"type":"order.new"}), '/typed'),
        qq({"user":{"mail":$mail,"id":$id},"type":"order.new"}),
        'with for=, before the type');
    is(forwarded(qq({"type":"offer",$user}), '/typed', 422), '',
        'of a type that is in no for=');
    is(forwarded(qq({"type":"order.x",$user}), '/typed'),
        qq({"type":"order.x","user":{"mail":$mail,"id":$id}}), 'a good one');
}


# pseudonyms take more room than what they replace

sub large {
    my $n = 20_000;
    my $body = '{"buyers":['
        . join(',', map { qq({"i":$_}) } 1 .. $n) . ']}';
    is(forwarded($body), '{"buyers":['
        . join(',', map { '{"i":' . pseudonym($_) . '}' } 1 .. $n) . ']}',
        "$n of them");

    my $many = '{"buyers":[' . join(',', ('{"i":1}') x 65_537) . ']}';
    is(forwarded($many, '/inline', 400), '', 'more than there can be');
    is(forwarded('{"id":1}'), '{"id":1}', 'a good one');
}


# at rest, too

sub consumers {
    is($t->accept('{"id":"q","type":"t","user":{"id":"42"}}')->status, 200,
        'accepted');
    my %got = map { my $name = $_; map { ($name => $_->{b}) }
        $t->entries($name) } qw(own theirs raw);
    is($got{own}, '{"id":"q","user":{"id":' . pseudonym(42) . '}}',
        'the view of a consumer');
    is($got{theirs}, '{"id":"q","user":{"id":' . pseudonym(42, 'partner')
        . '}}', 'another one has other pseudonyms');
    is($got{raw}, '{"id":"q","user":{"id":"42"}}', 'the clean body has none');
}


sub refused {
    my $head = "%%GLOBALS%%\nevents {}\nhttp {\n%%HTTP_GLOBALS%%\n"
        . 'plum_secret people %%TESTDIR%%/people;'
        . 'plum_secret pair %%TESTDIR%%/pair encoding=whpk;';
    $t->secret('pair', 'whpk_' . 'AQEB' x 10 . 'AQE=');
    my $tail = "\nserver { listen 127.0.0.1:%%PORT_0%%; plum_tls off;"
        . ' location / { plum on; plum_signature github secret=people;'
        . ' plum_allow a; plum_idempotency off; return 204; } } }';

    for my $case (
        ['pseudonym;', qr/"pseudonym" takes paths, then "secret=name"/],
        ['pseudonym id;', qr/"pseudonym" takes paths, then "secret=name"/],
        ['pseudonym id secret=;', qr/"pseudonym" takes paths/],
        ['pseudonym secret=people;', qr/"pseudonym" takes paths/],
        ['pseudonym id secret=people secret=people;', qr/path "secret=people"/],
        ['pseudonym id for=a secret=people;', qr/"for=a" is no path/],
        ['pseudonym id secret=nobody;', qr/unknown secret "nobody"/],
        ['pseudonym id secret=pair;', qr/"pair#1" is an Ed25519 key/],
        ['pseudonym id.** secret=people;', qr/must not end with "\*\*"/],
        ['pseudonym id secret=people; allow id;',
            qr/"id" is a pseudonym, and is allowed, too/],
        ['pseudonym user.id secret=people; allow **;',
            qr/"user.id" is a pseudonym, and is allowed, too/],
        ['pseudonym *.id secret=people; allow user.*;',
            qr/"\*\.id" is a pseudonym, and is allowed, too/],
        ['pseudonym id secret=people; pseudonym id secret=pair;',
            qr/"id" is a pseudonym by two secrets/],
    ) {
        my ($status, $said) = $t->test_config(
            "$head\nplum_allowlist a { $case->[0] }$tail");
        isnt($status, 0, "refused: $case->[0]");
        like($said, $case->[1], '... and why');
    }
    my $list = "\nplum_allowlist a { pseudonym id secret=people; }";
    my ($status, $said) = $t->test_config("$head$list$tail");
    is($status, 0, 'a list of pseudonyms only') or diag($said);
    like($said, qr/\[warn\].*"people" makes pseudonyms, and a sender has it/,
        'the secret of the sender: a warning');

    my $other = $list =~ s/secret=people/secret=partner/r;
    ($status, $said) = $t->test_config("$head plum_secret partner "
        . "%%TESTDIR%%/partner;$other$tail");
    is($status, 0, 'another secret');
    unlike($said, qr/makes pseudonyms/, '... no warning');
}
