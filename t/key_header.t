#!/usr/bin/perl

# Every forward carries its key, and a body that is not authentic leaves no
# trace in variables.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new;
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:1m;
    plum_allowlist list { event_type kind; allow id; }
    log_format captured '[$id|$plum_event_type]';

    plum_tls off;
    plum_allow list;
    plum_capture $id id;
    plum_idempotency deliveries;
    plum_idempotency_key route $id;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log captured;

        location / {
            plum on;
            plum_signature github secret=plum;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /token {
            plum on;
            plum_signature body-token secret=plum path=token;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;

sub deliver {
    my ($id, %more) = @_;

    return $t->deliver(scheme => 'github', secret => $SECRET,
        body => qq({"id":"$id","kind":"k"}), %more)->status;
}

sub keys_of {
    my ($request) = @_;

    return map { $_->[1] }
        grep { lc $_->[0] eq 'idempotency-key' } @{$request->{headers}};
}

is(deliver('a b'), 200, 'a delivery');
is_deeply([keys_of(($up->requests)[-1])], ['route:a%20b'],
    'the upstream gets its key');

is(deliver('c', headers => {'idempotency-key' => 'mine'}), 200,
    'a delivery with a header of that name');
is_deeply([keys_of(($up->requests)[-1])], ['route:c'],
    'the upstream gets ours alone');

sub with_token {
    my ($id, $token) = @_;

    return $t->request(method => 'POST', uri => '/token',
        headers => [['Content-Type', 'application/json']],
        body => qq({"id":"$id","kind":"k","token":"$token"}))->status;
}

is(with_token('evil', 'wrong'), 401, 'a wrong token');
is(with_token('good', $SECRET), 200, 'the right one');

$t->quit;

is((split /\n/, $t->read_file('access.log'))[-2], '[-|-]',
    'nothing of the refused body is captured');
is((split /\n/, $t->read_file('access.log'))[-1], '[good|k]',
    'the good one is');

$t->done_testing;
