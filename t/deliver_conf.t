#!/usr/bin/perl

# plum_deliver: what nginx -t says of it.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use MIME::Base64 qw(encode_base64);
use Test::More;

use Test::Plum;
use Test::Plum::Config;

my $t = Test::Plum->new;

my $TEMPLATE = <<'CONF';
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_secret both %%TESTDIR%%/key;
    plum_secret both %%TESTDIR%%/private encoding=whsk;
    plum_secret public %%TESTDIR%%/public encoding=whpk;
    {secret}
    plum_store redis redis://127.0.0.1;
    plum_queue orders {
        store redis;
        {queue}
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_tls off;
        location / {
            plum on;
            plum_signature standard-webhooks secret=key;
            plum_allow all;
            plum_idempotency_key $plum_signed_id;
            plum_accept orders;
        }
        location = /deliver/billing {
            {internal}
            {deliver}
            {handler}
        }
        {more}
    }
}
CONF

my $PASS = 'proxy_pass http://127.0.0.1:%%PORT_up%%;';
my %PART = (
    secret => '',
    queue => 'deliver billing /deliver/billing;',
    internal => 'internal;',
    deliver => 'plum_deliver;',
    handler => $PASS,
    more => '',
);

$t->secret('key', 'correct horse battery staple');
$t->secret('private', 'whsk_' . encode_base64(join('', map { chr } 1 .. 32),
    ''));
$t->secret('public', 'whpk_'
    . 'ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ=');
$t->secret('short', 'whsk_' . encode_base64('x' x 31, ''));
my $c = Test::Plum::Config->new(test => $t, template => $TEMPLATE,
    parts => \%PART);

$c->refused(\*DATA);

$c->silent('the defaults');
$c->silent('all parameters', deliver => 'plum_deliver concurrency=1024 '
    . 'retry=1ms,2s,5m,24h breaker=1:1ms success=2xx,409;');
$c->silent('no breaker', deliver => 'plum_deliver breaker=off;');
$c->silent('a location for many', queue => 'deliver a /d/a; deliver b /d/b; '
    . 'deliver billing /deliver/billing;', parts => {more =>
    "location /d/ { internal; plum_deliver; $PASS }"});
$c->silent('signed', deliver => 'plum_deliver; '
    . 'plum_sign standard-webhooks secret=both;');
$c->silent('another content handler', handler =>
    'fastcgi_pass 127.0.0.1:%%PORT_up%%;');

$c->warned('a location that nobody needs', more =>
    "location /other { internal; plum_deliver; $PASS }",
    'no queue delivers to location "/other", which has "plum_deliver"');

$t->done_testing;

__DATA__
deliver plum_deliver;\nplum_deliver; #!
    "plum_deliver" directive is duplicate
deliver plum_deliver waits=5s;
    unknown parameter "waits=5s"
deliver plum_deliver retry=5s retry=6s;
    duplicate parameter "retry=6s"
deliver plum_deliver concurrency=0;
    invalid parameter "concurrency=0", it must be a number from 1 to 1024
deliver plum_deliver concurrency=1025;
    invalid parameter "concurrency=1025", it must be a number from 1 to 1024
deliver plum_deliver concurrency=many;
    invalid parameter "concurrency=many", it must be a number from 1 to 1024
deliver plum_deliver retry=5s,5s;
    invalid parameter "retry=5s,5s", the waits of "retry=" must grow
deliver plum_deliver retry=30s,5s;
    invalid parameter "retry=30s,5s", the waits of "retry=" must grow
deliver plum_deliver retry=0;
    invalid parameter "retry=0", a wait of "retry=" must be above zero, and at most 49 days
deliver plum_deliver retry=60d;
    invalid parameter "retry=60d", a wait of "retry=" must be above zero, and at most 49 days
deliver plum_deliver retry=;
    invalid parameter "retry=", it must be times, separated by commas
deliver plum_deliver retry=5s,,6s;
    invalid parameter "retry=5s,,6s", it must be times, separated by commas
deliver plum_deliver retry=soon;
    invalid parameter "retry=soon", it must be times, separated by commas
deliver plum_deliver breaker=5;
    invalid parameter "breaker=5", it must be "failures:time" or "off"
deliver plum_deliver breaker=0:30s;
    invalid parameter "breaker=0:30s", it must be "failures:time" or "off"
deliver plum_deliver breaker=5:0;
    invalid parameter "breaker=5:0", it must be "failures:time" or "off"
deliver plum_deliver breaker=5:;
    invalid parameter "breaker=5:", it must be "failures:time" or "off"
deliver plum_deliver success=;
    invalid parameter "success=", it must be "2xx" or codes, separated by commas
deliver plum_deliver success=20;
    invalid parameter "success=20", it must be "2xx" or codes, separated by commas
internal
    @deliver location "/deliver/billing" has "plum_deliver" and is open to everybody: write "internal" there
handler
    @deliver location "/deliver/billing" has "plum_deliver" and nothing that would deliver: write "proxy_pass" there, or another content handler
deliver
    @queue no location for "/deliver/billing" has "plum_deliver"
queue deliver billing /deliver/others;
    no location for "/deliver/others" has "plum_deliver"
deliver plum_deliver; plum_sign github secret=key;
    unknown scheme "github" to sign by, it must be "standard-webhooks"
deliver plum_deliver; plum_sign standard-webhooks key;
    invalid parameter "key", it must be "secret=name"
deliver plum_deliver; plum_sign standard-webhooks secret=;
    invalid parameter "secret=", it must be "secret=name"
deliver plum_deliver; plum_sign standard-webhooks secret=others;
    unknown secret "others"
deliver plum_deliver; plum_sign standard-webhooks secret=public;
    secret "public#1" of "plum_sign" is a public key, which cannot sign: name a private one (encoding=whsk) or a shared secret
deliver plum_deliver;\nplum_sign standard-webhooks secret=key;\nplum_sign standard-webhooks secret=key; #!
    "plum_sign" directive is duplicate
more location /x { plum_sign standard-webhooks secret=key; }
    "plum_sign" without "plum_deliver" signs nothing: both belong into the location of a consumer
secret plum_secret short %%TESTDIR%%/short encoding=whsk;
    secret file "%%TESTDIR%%/short" is not an Ed25519 private key of 32 or 64 bytes
more location /x { plum on; plum_allow all; plum_signature standard-webhooks secret=both; proxy_pass http://127.0.0.1; }
    secret "both#2" is a private key, which signs and verifies nothing: name the public one (encoding=whpk)
