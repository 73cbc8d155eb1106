#!/usr/bin/perl

# What nginx -t says of plum_status, and of the name of a gate.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Config;

my $t = Test::Plum->new;
$t->secret('key', 'a secret of many bytes, 0123');

my $c = Test::Plum::Config->new(test => $t, template => <<'CONF', parts => {
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    {http}
    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_tls off;
        {sign}
        {server}
        location /hook {
            {on}
            {inside}
            proxy_pass http://127.0.0.1:9;
        }
        location = /status {
            {status}
        }
    }
}
CONF
    sign => 'plum_signature slack secret=key; plum_allow all;',
    http => '', server => '', on => 'plum on;', inside => '',
    status => 'plum_status;',
});

$c->refused(\*DATA);

$c->silent('a status page', status => 'plum_status;');
$c->silent('no status page', status => 'return 204;');
$c->silent('a name', on => 'plum on name=orders;');
$c->silent('a name without a page', on => 'plum on name=orders;',
    parts => {status => 'return 204;'});
$c->silent('a location inside where plum is off', inside =>
    'location /hook/status { plum off; plum_status; }');
$c->silent('two pages', server => 'location /again { plum_status; }');
$c->silent('stores of any name', http => join ' ', map {
    qq(plum_store "$_" memory:1m;) } 'status', ':status', 'plum:status');
$c->silent('a page and no gate', on => '', parts => {sign => ''});

my ($bytes, $complaint) = $c->try_config(on => "plum on name=a\xc3;");
is($bytes, 1, 'a name that is no UTF-8');
like($complaint, qr/\[emerg\] invalid parameter "name=a.", the name must be /s,
    'is refused');

# more gates than there is memory for are not counted, and are no reason to
# refuse the configuration
my $many = join '', map { "location /many/$_ { plum on; "
    . "proxy_pass http://127.0.0.1:9; }\n" } 1 .. 9000;
my ($status, $said) = $c->try_config(server => $many);
is($status, 0, 'thousands of gates');
like($said, qr/\[warn\] plum: "plum_status" has no memory left for "gate .*": /,
    'are warned of');

$t->done_testing;

__DATA__

on       plum maybe;
    invalid value "maybe" in "plum" directive, it must be "on" or "off"
on       plum on orders;
    unknown parameter "orders"
on       plum on name=;
    invalid parameter "name=", the name must be UTF-8 and not empty
on       plum off name=orders;
    "plum off" has no gate that "name=orders" could name
on       plum on name=a name=b;
    invalid number of arguments in "plum" directive
on       plum;
    invalid number of arguments in "plum" directive
on       plum on;\nplum on; #!
    "plum" directive is duplicate
status   plum_status on;
    invalid number of arguments in "plum_status" directive
status   plum_status;\nplum_status; #!
    "plum_status" directive is duplicate
server   plum_status;
    "plum_status" directive is not allowed here
http     plum_status;
    "plum_status" directive is not allowed here
inside   location /hook/status { plum_status; }
    @on "plum_status" in a location where "plum" is on: give the page a location of its own
