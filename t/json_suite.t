#!/usr/bin/perl

# JSONTestSuite through the gateway: once with everything allowed, once with a
# list that keeps one field.  The files stay where they are: PLUM_VECTORS, by
# default ../shared/vectors beside the repository.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename);
use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my $VECTORS = $ENV{PLUM_VECTORS} || "$FindBin::Bin/../../shared/vectors";
my @FILES = sort glob "$VECTORS/json/JSONTestSuite/*.json";

plan(skip_all => "no JSONTestSuite in $VECTORS (PLUM_VECTORS)") if !@FILES;

my $t = Test::Plum->new;
my $up = $t->upstream('up');

$t->secret('key', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$http_x_n $status $plum_verdict $plum_reason';
    keepalive_requests 100000;
    plum_secret key %%TESTDIR%%/key;
    plum_signature github secret=key;
    plum_allowlist one { allow a; }
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log plum;
        location /all {
            plum on;
            plum_allow all;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /one {
            plum on;
            plum_allow one;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;
my @workers = $t->workers;

my $client = $t->client(0);
my (%text, %got);

cmp_ok(scalar @FILES, '>=', 300, 'the suite is whole');
$text{basename($_)} = $t->read_file($_) for @FILES;

for my $list (qw(all one)) {
    for my $name (sort keys %text) {
        $got{"$list/$name"} = deliver("$list/$name", $text{$name});

        # a refusal must leave a worker that works
        deliver("$list/good", '{"a":1}') == 200
            or fail("a good one after $name");
    }
}

$t->wait_log(qr{\Aone/good }, 5, 'access.log');
my %body = map { $up->header($_, 'x-n') => $_->{body} } $up->requests;
my %line = map { /\A(\S+) (.*)/ ? ($1 => $2) : () }
    split /\n/, $t->read_file('access.log');
is($body{$_}, '{"a":1}', "$_ came through") for qw(all/good one/good);

judge($_) for sort keys %text;
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$t->done_testing;


sub deliver {
    my ($tag, $body) = @_;

    my ($list) = $tag =~ m{(\w+)};
    return $t->deliver(client => $client, scheme => 'github',
        secret => $SECRET, body => $body, uri => "/$list",
        headers => {'x-n' => $tag})->status;
}


sub judge {
    my ($name) = @_;

    my ($all, $one) = @got{"all/$name", "one/$name"};
    my $root = $text{$name} =~ /\A[ \t\r\n]*[\[{]/;

    is($all, $root ? 200 : 400, "$name: must be taken") if $name =~ /\Ay_/;
    is($all, 400, "$name: must be refused") if $name =~ /\An_/;
    like($all, qr/\A(?:200|400)\z/, "$name: either") if $name =~ /\Ai_/;

    for my $list (qw(all one)) {
        my $tag = "$list/$name";
        is($line{$tag}, $got{$tag} == 200 ? '200 accepted -'
            : '400 refused json_invalid', "$tag: its line");
        ok(defined $body{$tag} == ($got{$tag} == 200),
            "$tag: forwarded if accepted");
    }

    # only a name that is looked at may not come twice
    my $twice = $name =~ /duplicated_key/;
    is($one, $twice ? 400 : $all, "$name: likewise with a list");
    return if $all != 200;

    is($body{"all/$name"}, $text{$name} =~ s/\A[ \t\r\n]+|[ \t\r\n]+\z//gr,
        "$name: every byte");
    like($body{"one/$name"},
        qr/\A(?:\[\]|\{(?:"(?:a|\\u0061)":(?:"[^"]*"|[-+.\w]+))?\})\z/,
        "$name: one field at most") if !$twice;
    return;
}
