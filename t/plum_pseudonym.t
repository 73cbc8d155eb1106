#!/usr/bin/perl

# tools/plum-pseudonym: the pseudonyms that the module makes, of lines and of
# the columns of a CSV file.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use MIME::Base64 qw(encode_base64url);
use Test::More;

use Test::Plum;
use Test::Plum::Process qw(run_command);

my $TOOL = dirname(__FILE__) . '/../tools/plum-pseudonym';
my $KEY = 'a key of all people, 0123456789ab';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
$t->secret('people', $KEY);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret people %%TESTDIR%%/people;
    plum_allowlist a { pseudonym id secret=people; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_tls off;
        plum_signature api-key secret=people;
        plum_idempotency off;
        location / { plum on; plum_allow a;
            proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
}
CONF
$t->run;

lines();
columns();
wrong();

$t->done_testing;


sub tool {
    my ($input, @args) = @_;

    $t->write_file('input', $input);
    return run_command('sh', '-c', 'f=$1; shift; exec "$@" < "$f"', 'sh',
        "$t->{dir}/input", $TOOL, '--secret-file', "$t->{dir}/people", @args);
}


sub pseudonym {
    my ($value) = @_;
    return encode_base64url(substr hmac_sha256($value, $KEY), 0, 16);
}


# what the module makes of the same ids

sub lines {
    my @ids = ('19980000000000000001', '7', "J\xc3\xbcrgen", 'a b');
    my ($status, $said) = tool(join '', map { "$_\n" } @ids);
    is($status, 0, 'lines');
    my @got = split /\n/, $said;
    for my $id (@ids) {
        $up->forget;
        my $r = $t->request($t->signed(scheme => 'api-key', secret => $KEY,
            body => qq({"id":"$id"})));
        is($r->status, 200, 'a delivery');
        is(($up->requests)[0]{body}, '{"id":"' . shift(@got) . '"}',
            "the same pseudonym of $id");
    }
    is((tool("\n7"))[1], "\n" . pseudonym(7) . "\n",
        'an empty line, and no newline at the end');
}


sub columns {
    my $csv = qq(id,name,boss\n7,"N, ""M""",8\n8,"two\nlines",\n);
    my @p = map { pseudonym($_) } 7, 8;
    my $expected = qq(id,name,boss\n$p[0],"N, ""M""",$p[1]\n)
        . qq($p[1],"two\nlines",\n);

    is((tool($csv, qw(--column id --column boss)))[1], $expected, 'by name');
    is((tool($csv, qw(--column 1 --column 3 --names)))[1], $expected,
        'by number, with names');
    is((tool("7,x\n", qw(--column 1)))[1], "$p[0],x\n", 'without names');
}


sub wrong {
    for my $case (
        ["\xff\n", 1, qr/line 1: not UTF-8/],
        ["7\n\xff,x\n", 1, qr/record/, qw(--column 1)],
        ["7,\"x\n", 1, qr/record 1: /, qw(--column 1)],
        ["a,b\n", 1, qr/column "c" is not there/, qw(--column c)],
        ["a,b\n", 1, qr/column "3" is not there/, qw(--column 3)],
        ["a,a\n", 1, qr/column "a" is there twice/, qw(--column a)],
        ['', 2, qr/^Unknown option: columns\nUsage/, qw(--columns 1)],
        ['', 2, qr/^Usage/, qw(more)],
        ['', 2, qr/hex/, qw(--secret-encoding hex)],
    ) {
        my ($input, $status, $regex, @args) = @$case;
        my ($left, $said) = tool($input, @args);
        is($left, $status, "status of @args");
        like($said, $regex, '... and why');
        unlike($said, qr/\Q$KEY\E/, '... without the secret');
    }
    my ($status, $said) = run_command($TOOL, '--help');
    is($status, 0, '--help');
    like($said, qr/^Usage: plum-pseudonym/, '... says how');
}
