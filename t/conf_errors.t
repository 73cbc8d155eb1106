#!/usr/bin/perl

# What nginx -t says of a wrong configuration: the text, the file and the
# line; what it warns of; and that a right one is passed over in silence.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Config;
use Test::Plum::Process qw(run_command);

my $SECRET = 'correct horse battery staple';
my $SHORT = 'tooshortsecret!';

my $t = Test::Plum->new;
my $heard = '';

my $TEMPLATE = <<'CONF';
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    {secret}
    {list}
    {store}
    server {
        {listen}
        {server}
        location / {
            {on}
            {tls}
            {signature}
            {allow}
            {idempotency}
            {key}
            {more}
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
    {end}
}
CONF

# the parts of a right configuration, of which each case replaces one
my %PART = (
    secret => 'plum_secret key %%TESTDIR%%/key;',
    list => 'plum_allowlist orders { event_type event; allow id; }',
    store => 'plum_store mem memory:1m;',
    listen => 'listen 127.0.0.1:%%PORT_0%% ssl; %%TLS_SERVER%% '
        . 'ssl_protocols TLSv1.2 TLSv1.3;',
    server => '',
    on => 'plum on;',
    tls => 'plum_tls TLSv1.2;',
    signature => 'plum_signature standard-webhooks secret=key;',
    allow => 'plum_allow orders;',
    idempotency => 'plum_idempotency mem;',
    key => 'plum_idempotency_key $plum_signed_id;',
    more => '',
    end => '',
);

$t->secret('key', "$SECRET\n");
$t->secret('short', $SHORT);
$t->secret('empty', '');
$t->secret('newline', "\n");
$t->secret('large', 'x' x 70_000);
$t->secret('nothex', "$SECRET zz");
$t->secret('notbase64', "$SECRET!");
$t->secret('public', 'whpk_' . 'A' x 43 . '=');
$t->secret('notpublic', 'whpk_QUFBQQ==');
$t->write_file('open', $SECRET, 0644);
$t->write_file('writable', $SECRET, 0602);
mkdir $t->path('folder');

my $c = Test::Plum::Config->new(test => $t, template => $TEMPLATE,
    parts => \%PART);

$c->refused(\*DATA);
warned();
silent();

unlike($c->heard . $heard, qr/\Q$_\E/, 'no secret in what was said')
    for $SECRET, $SHORT, 'x' x 100, 'QUFBQQ', 'A' x 43;
$t->done_testing;


# what is weak is allowed, and is warned of where it stands

sub warned {
    my $warned = sub { $c->warned(@_) };
    my $tls = 'listen 127.0.0.1:%%PORT_0%% ssl; %%TLS_SERVER%% '
        . 'ssl_protocols ';
    my %replayed = (at => 'on', parts => {idempotency => '', key => ''});

    $warned->('a short secret', secret =>
        'plum_secret key %%TESTDIR%%/short;', 'secret "key#1" ('
        . substr(sha256_hex($SHORT), 0, 8)
        . ') has only 15 bytes, use 16 or more');
    my $many = join ' ', map { "plum_secret key %%TESTDIR%%/key;" } 1 .. 5;
    $warned->('many secrets', signature =>
        'plum_signature standard-webhooks secret=key;', '5 secrets "key" are '
        . 'live: every body is hashed for each of them, also one of a '
        . 'stranger; remove those that no sender uses',
        parts => {secret => $many});
    $warned->("replays, $_", signature => "plum_signature $_ secret=key;",
        'no signature has a timestamp and "plum_idempotency" is off: '
        . 'replays pass', %replayed)
        for qw(github api-key), 'svix tolerance=off', 'body-token path=id';
    $warned->('replays, with a block', signature =>
        'plum_signature github secret=key;', 'no signature has a timestamp '
        . 'and "plum_idempotency" is off: replays pass', at => 'on',
        parts => {idempotency => '', key => '', more =>
        'if ($http_a) { set $b c; } limit_except POST { deny all; }'});
    $warned->("public, $_", listen => "listen $_;",
        '"plum_tls off" on a public listen', at => 'on',
        parts => {tls => 'plum_tls off;'})
        for '0.0.0.0:%%PORT_0%%', '%%PORT_0%%';
    $warned->("looser, $_->[1]", listen => "$tls $_->[0];",
        '"ssl_protocols" of the server allows less than "plum_tls" demands',
        at => 'on', parts => {tls => "plum_tls $_->[1];"})
        for ['TLSv1.1 TLSv1.2', 'TLSv1.2'], ['TLSv1.2 TLSv1.3', 'TLSv1.3'];
    return;
}


sub silent {
    my $silent = sub { $c->silent(@_) };

    $silent->('as it should be');
    $silent->('plain HTTP for the loopback', tls => 'plum_tls off;',
        parts => {listen => 'listen 127.0.0.1:%%PORT_0%%;'});
    $silent->('off, and nothing else', on => 'plum off;', parts => {
        map { $_ => '' } qw(signature allow idempotency key)});
    $silent->('two secrets, one list of all', secret =>
        'plum_secret key %%TESTDIR%%/key; '
        . 'plum_secret key %%TESTDIR%%/nothex;',
        parts => {allow => 'plum_allow all;'});
    $silent->('a timestamp, no idempotency', idempotency =>
        'plum_idempotency off;', parts => {key => ''});
    $silent->('github, idempotency', signature =>
        'plum_signature github secret=key;',
        parts => {key => 'plum_idempotency_key $plum_body_sha256;'});
    $silent->('every parameter', idempotency => 'plum_idempotency mem '
        . 'retention=7d lease=30s in_flight=wait:5s unavailable=refuse '
        . 'success=2xx,409 in_doubt=hold answer=off;');

    $silent->('a budget for two copies of the largest body', store =>
        'plum_store mem memory:1m; plum_body_budget 200k;',
        parts => {more => 'plum_max_body 90k;'});
    $silent->('bodies larger than the budget is where nothing is said', more =>
        'client_max_body_size 100m; plum_max_body 100m;');

    my ($status, $said) = run_command(
        $t->_argv($t->path('config-test.conf'), 'dump.log'), '-T', '-q');
    is($status, 0, 'the dump');
    like($said, qr/plum_secret key/, 'shows where the secret is');
    $heard .= $said;
    return;
}


__DATA__

# secrets

secret plum_secret key %%TESTDIR%%/nowhere;
    open() "%%TESTDIR%%/nowhere" failed (2: No such file or directory)
secret plum_secret key %%TESTDIR%%/folder;
    secret file "%%TESTDIR%%/folder" is not a regular file
secret plum_secret key %%TESTDIR%%/empty;
    secret file "%%TESTDIR%%/empty" is empty
secret plum_secret key %%TESTDIR%%/newline;
    secret file "%%TESTDIR%%/newline" is empty
secret plum_secret key %%TESTDIR%%/large;
    secret file "%%TESTDIR%%/large" is larger than 64k
secret plum_secret key %%TESTDIR%%/open;
    secret file "%%TESTDIR%%/open" can be read or written by others, run "chmod o-rw" on it
secret plum_secret key %%TESTDIR%%/writable;
    secret file "%%TESTDIR%%/writable" can be read or written by others, run "chmod o-rw" on it
secret plum_secret key %%TESTDIR%%/nothex encoding=hex;
    secret file "%%TESTDIR%%/nothex" is not hexadecimal
secret plum_secret key %%TESTDIR%%/notbase64 encoding=base64;
    secret file "%%TESTDIR%%/notbase64" is not base64
secret plum_secret key %%TESTDIR%%/notbase64 encoding=whsec;
    secret file "%%TESTDIR%%/notbase64" is not base64
secret plum_secret key %%TESTDIR%%/notpublic encoding=whpk;
    secret file "%%TESTDIR%%/notpublic" is not an Ed25519 public key of 32 bytes
secret plum_secret key %%TESTDIR%%/key encoding=utf8;
    unknown secret encoding "utf8"
secret plum_secret key %%TESTDIR%%/key mode=raw;
    unknown parameter "mode=raw"
secret plum_secret key;
    invalid number of arguments in "plum_secret" directive
secret plum_secret "" %%TESTDIR%%/key;
    a secret needs a name and a file
server plum_secret other %%TESTDIR%%/key;
    "plum_secret" directive is not allowed here
secret plum_secret other %%TESTDIR%%/key;
    @signature unknown secret "key"

# signatures

signature
    @on "plum on" without "plum_signature"
signature plum_signature jwt secret=key;
    unknown signature scheme "jwt"
signature plum_signature github secret=other;
    unknown secret "other"
signature plum_signature github secret=key tolerance=1s;
    tolerance without a timestamp
signature plum_signature github header=x-a;
    no "secret=" in "plum_signature"
signature plum_signature github secret=key secret=key;
    invalid parameter "secret=key", one secret is needed
signature plum_signature github secret=;
    invalid parameter "secret=", one secret is needed
signature plum_signature github secret=key window=1;
    unknown parameter "window"
signature plum_signature github secret=key strict;
    unknown parameter "strict"
signature plum_signature github secret=key prefix=a prefix=b;
    duplicate parameter "prefix"
signature plum_signature github secret=key path=id;
    parameter does not suit the scheme "path"
signature plum_signature api-key secret=key algorithm=sha256;
    parameter does not suit the scheme "algorithm"
signature plum_signature hmac secret=key;
    no "header" parameter
signature plum_signature hmac secret=key header=x-a algorithm=sha1;
    invalid algorithm "sha1"
signature plum_signature hmac secret=key header=x-a algorithm=md5;
    invalid algorithm "md5"
signature plum_signature hmac secret=key header=x-a encoding=base32;
    invalid encoding "base32"
signature plum_signature hmac secret=key header=x-a format=json;
    invalid format "json"
signature plum_signature hmac secret=key header=x-a format=list;
    prefix of a list does not end with "=" or ",": ""
signature plum_signature hmac secret=key header=x-a format=list prefix=v1;
    prefix of a list does not end with "=" or ",": "v1"
signature plum_signature hmac secret=key header=x-a "content={uri}";
    no {body} in content "{uri}"
signature plum_signature hmac secret=key header=x-a "content={body}.{body}";
    more than one {body} in content "{body}.{body}"
signature plum_signature hmac secret=key header=x-a id=x-b timestamp=x-c "content={id}{timestamp}.{body}";
    pieces side by side that cannot be told apart, put text between them in content "{id}{timestamp}.{body}"
signature plum_signature hmac secret=key header=x-a "content={body}{when}";
    unknown token in content: "when"
signature plum_signature hmac secret=key header=x-a "content={body";
    unclosed token in content "{body"
signature plum_signature hmac secret=key header=x-a "content={timestamp}{body}";
    {timestamp} without a timestamp from a header in content "{timestamp}{body}"
signature plum_signature hmac secret=key header=x-a timestamp=x-b;
    no {timestamp} in content "{body}"
signature plum_signature hmac secret=key header=x-a id=x-b;
    no {id} in content "{body}"
signature plum_signature hmac secret=key header=x-a timestamp=json:;
    invalid timestamp "json:"
signature plum_signature hmac secret=key header=x-a timestamp=json:a[];
    path "a[]" does not name exactly one value
signature plum_signature svix secret=key tolerance=0;
    invalid tolerance "0"
signature plum_signature svix secret=key tolerance=0s;
    invalid tolerance "0s"
signature plum_signature svix secret=key tolerance=-5s;
    invalid tolerance "-5s"
signature plum_signature svix secret=key tolerance=;
    invalid tolerance ""
signature plum_signature body-token secret=key;
    no "path" parameter
signature plum_signature body-token secret=key path=a..b;
    path "a..b": name expected
signature plum_signature api-key secret=key header=Host;
    header cannot be used here: "Host"
signature plum_signature api-key secret=key header=cookie;
    header cannot be used here: "cookie"
signature plum_signature api-key secret=key header=Content-Length;
    header cannot be used here: "Content-Length"
signature plum_signature api-key secret=key "header=x a";
    invalid header name "x a"
signature plum_signature api-key secret=pub;
    unknown secret "pub"

# allowlists

allow
    @on "plum on" without "plum_allow"
allow plum_allow others;
    @on unknown allowlist "others"
allow plum_allow orders;\nplum_allow all; #!
    "plum_allow" directive is duplicate
list plum_allowlist orders { allow id; }\nplum_allowlist orders { allow id; } #!
    duplicate allowlist "orders"
list plum_allowlist all { allow id; }
    invalid allowlist name "all"
list plum_allowlist orders { event_type event; }
    no "allow" in allowlist "orders"
list plum_allowlist orders {\nallow id;\nallow a for=x;\n}
    event pattern "x" needs the place of the event type
end plum_allowlist unused { #!\nallow id for=x;\n}
    event pattern "x" needs the place of the event type
list plum_allowlist orders {\nallow; #!\n}
    no path in "allow"
list plum_allowlist orders {\nallow for=a; #!\n}
    no path in "allow"
list plum_allowlist orders {\nallow id for=a,,b; #!\n}
    an event name is empty in "for=a,,b"
list plum_allowlist orders { event_type e;\nallow id for=a*b; #!\n}
    event pattern "a*b" has a "*" before its end
list plum_allowlist orders {\ndeny id; #!\n}
    unknown directive "deny" in an allowlist
list plum_allowlist orders { allow id;\nunlisted drop; #!\n}
    invalid value "drop", it must be "refuse" or "acknowledge"
list plum_allowlist orders { unlisted refuse;\nunlisted refuse; #!\n}
    "unlisted" takes one value, and stands once
list plum_allowlist orders { event_type a;\nevent_type b; #!\n}
    "event_type" takes one path, header or variable, and stands once
list plum_allowlist orders { allow id;\nevent_type a.*; #!\n}
    path "a.*" does not name exactly one value
list plum_allowlist orders {\nallow a..b; #!\n}
    path "a..b": name expected
list plum_allowlist orders {\nallow .a; #!\n}
    path ".a": name expected, write "a"
list plum_allowlist orders {\nallow a.; #!\n}
    path "a.": name expected
list plum_allowlist orders {\nallow a[0]; #!\n}
    path "a[0]": "." or "[]" expected after a step, write "a[]"
list plum_allowlist orders {\nallow a[]b; #!\n}
    path "a[]b": "." or "[]" expected after a step
list plum_allowlist orders {\nallow a.**.b; #!\n}
    path "a.**.b": nothing may follow "**"
list plum_allowlist orders {\nallow "a.\"b"; #!\n}
    path "a."b": closing quote expected
list plum_allowlist orders {\nallow ""; #!\n}
    path "" is empty
more plum_capture $a "a b";
    path "a b": "." or "[]" expected after a step, write '"a b"'
more plum_capture $a a.*;
    path "a.*" does not name exactly one value
more plum_capture a a;
    invalid variable name "a"
more plum_capture $a a;\nplum_capture $a b; #!
    duplicate capture "$a"
more plum_capture $host a;
    the duplicate "host" variable

# stores and idempotency

store
    @idempotency unknown store "mem"
store plum_store mem memory:1m;\nplum_store mem memory:1m; #!
    duplicate store "mem"
store plum_store off memory:1m;
    invalid store name "off"
store plum_store mem memcached://127.0.0.1;
    unknown store address "memcached://127.0.0.1", it must be "memory:size", "redis://host", "redis+cluster://host,...", "redis+sentinel://host,.../master" (with TLS "rediss"), or "unix:/path"
store plum_store mem memory:;
    invalid size "" of plum store "mem", write "memory:16m" or another size
store plum_store mem memory:many;
    invalid size "many" of plum store "mem", write "memory:16m" or another size
store plum_store mem memory:8k;
    plum store "mem" is too small, write "memory:32k" or more
store plum_store mem memory:1m prefix=a;
    unknown parameter "prefix=a"
key
    @idempotency "plum_idempotency" without "plum_idempotency_key"
key plum_idempotency_key $http_a "";
    a part of the key is empty
signature plum_signature github secret=key;
    @idempotency "plum_idempotency_key" has "$plum_signed_id", but no "plum_signature" has an id: capture one from the body, or use "$plum_body_sha256"
key plum_idempotency_key orders fixed;
    the key has no variable: all deliveries would be copies of the first
idempotency plum_idempotency other;
    unknown store "other"
idempotency plum_idempotency off lease=1s;
    "off" takes no parameter, "lease=1s" is one
idempotency plum_idempotency mem ttl=1s;
    unknown parameter "ttl=1s"
idempotency plum_idempotency mem retention=0;
    invalid parameter "retention=0", it must not be zero
idempotency plum_idempotency mem retention=ever;
    invalid parameter "retention=ever", it must be a time
idempotency plum_idempotency mem lease=0s;
    invalid parameter "lease=0s", it must not be zero
idempotency plum_idempotency mem in_flight=wait:0;
    invalid parameter "in_flight=wait:0", it must not be zero
idempotency plum_idempotency mem in_flight=queue;
    invalid parameter "in_flight=queue", it must be "wait:time" or "refuse"
idempotency plum_idempotency mem unavailable=wait;
    invalid parameter "unavailable=wait", it must be "refuse" or "forward"
idempotency plum_idempotency mem success=3xx;
    invalid parameter "success=3xx", it must be "2xx" or codes, separated by commas
idempotency plum_idempotency mem in_doubt=commit;
    invalid parameter "in_doubt=commit", it must be "release" or "hold"
idempotency plum_idempotency mem answer=0;
    invalid parameter "answer=0", it must be "off" or a size
idempotency plum_idempotency mem wait_replicas=0;
    invalid parameter "wait_replicas=0", it must be a number above zero
idempotency plum_idempotency mem wait_replicas=some;
    invalid parameter "wait_replicas=some", it must be a number above zero
idempotency plum_idempotency mem wait_replicas=1;
    "wait_replicas" needs a store in Redis, "mem" is not

# the rest

on plum yes;
    invalid value "yes" in "plum" directive, it must be "on" or "off"
on plum on;\nplum on; #!
    "plum" directive is duplicate
server plum on;
    "plum" directive is not allowed here
more plum_mode watch;
    invalid value "watch"
more plum_log_level alert;
    invalid value "alert"
more plum_max_body big;
    "plum_max_body" directive invalid value
more plum_max_body 0;
    @on "plum_max_body" must not be zero
store plum_store mem memory:1m;\nplum_body_budget 500k; #!
    "plum_body_budget" of 512000 bytes is too small for the largest "plum_max_body": a body and its clean copy need 526336 bytes
store plum_store mem memory:1m;\nplum_body_budget big; #!
    "plum_body_budget" directive invalid value
store plum_store mem memory:1m;\nplum_body_budget 1m;\nplum_body_budget 1m; #!
    "plum_body_budget" directive is duplicate
more plum_body_budget 1m;
    "plum_body_budget" directive is not allowed here
tls plum_tls TLSv1.1;
    invalid value "TLSv1.1", it must be "off", "TLSv1.2" or "TLSv1.3"
tls plum_tls off client_certificate;
    "plum_tls off" takes no parameter, "client_certificate" is one
tls plum_tls TLSv1.2 version=TLSv1.3;
    "TLSv1.3" is not a variable
tls plum_tls TLSv1.2 version=$http_a version=$http_b;
    duplicate parameter "version=$http_b"
tls plum_tls TLSv1.2 client_certificate client_certificate=$http_a;
    duplicate parameter "client_certificate=$http_a"
tls plum_tls TLSv1.2 early_data;
    unknown parameter "early_data"
tls plum_tls TLSv1.2;\nplum_tls TLSv1.3; #!
    "plum_tls" directive is duplicate
more plum_ack 404;
    invalid code "404", it must be "off" or from 200 to 299
more plum_ack 300;
    invalid code "300", it must be "off" or from 200 to 299
more plum_refuse json_invalid 200;
    invalid code "200", it must be from 400 to 599, and neither 408 nor 499
more plum_refuse json_invalid 302;
    invalid code "302", it must be from 400 to 599, and neither 408 nor 499
more plum_refuse json_invalid 499;
    invalid code "499", it must be from 400 to 599, and neither 408 nor 499
more plum_refuse json_invalid tired 400;
    unknown reason "tired"
more plum_refuse method 400;\nplum_refuse method 405; #!
    duplicate reason "method"
more plum_nothing on;
    unknown directive "plum_nothing"
