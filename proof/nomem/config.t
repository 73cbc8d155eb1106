#!/usr/bin/perl

# A configuration of every directive, tested again and again: the first
# allocation of the module fails, then the second, and so on until none does.
# Each time nginx -t says no, and does not crash (it has sanitizers).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../t/lib";

use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my $CONF = <<'CONF';
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_secret plum %%TESTDIR%%/plum2;
    plum_secret public %%TESTDIR%%/public encoding=whpk;
    plum_store here memory:1m;
    plum_store there redis://user@127.0.0.1:%%PORT_redis%%/3
        password_file=%%TESTDIR%%/plum prefix=x: timeout=1s max_pending=9;
    plum_store cluster redis+cluster://127.0.0.1:%%PORT_redis%%,127.0.0.2;
    plum_store sentinel redis+sentinel://127.0.0.1:%%PORT_redis%%/master;
    plum_store tls rediss://localhost:%%PORT_redis%% ca=%%TESTDIR%%/ca.crt
        certificate=%%TESTDIR%%/client.crt
        certificate_key=%%TESTDIR%%/client.key;
    plum_store socket unix:%%TESTDIR%%/nowhere.sock;
    plum_allowlist some { event_type type; allow id type;
        allow more.* items[].sku 'x."a.b".**' for=x,y.*; unlisted acknowledge; }
    plum_allowlist other { allow **; }
    plum_allowlist hidden { allow id; pseudonym more.* secret=plum for=x;
        event_type type; }
    plum_log_level notice;
    plum_body_budget 32m;
    plum_queue orders {
        store    there;
        accepted replicas=1;
        deliver  billing /billing allow=hidden for=x,y.* max=9 full=drop;
        publish  stats keep=1h group=readers;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_tls TLSv1.3 version=$http_x_tls client_certificate=$http_x_c;
        plum_max_body 64k;
        plum_types text/plain;
        plum_refuse in_flight event_unlisted 429;
        plum_signature standard-webhooks secret=public;
        plum_signature hmac secret=plum header=x-sig format=list prefix=s=
            "content={header:x-a}:{uri}:{timestamp}.{body}" timestamp=x-time
            tolerance=60s algorithm=sha512 encoding=base64;
        plum_allow some;
        plum_capture $plum_id id;
        plum_capture $plum_kind more.kind;
        plum_idempotency_key $plum_id $plum_kind $uri;
        plum_idempotency here retention=1d lease=9s in_flight=wait:2s
            success=2xx,404 in_doubt=hold answer=4k unavailable=forward;

        location /status { plum_status; }
        location /here { plum on name=here; proxy_pass http://127.0.0.1:1; }
        location /there { plum on; plum_mode observe; plum_ack 204;
            plum_idempotency there; proxy_pass http://127.0.0.1:1; }
        location /token { plum on; plum_ack off; plum_allow all;
            plum_signature body-token secret=plum path=token;
            plum_idempotency cluster; proxy_pass http://127.0.0.1:1; }
        location /s { plum on; plum_idempotency sentinel; return 200; }
        location /tls { plum on; plum_idempotency tls; return 200; }
        location /socket { plum on; plum_idempotency socket; return 200; }
        location /accept { plum on; plum_idempotency off; plum_ack 202;
            plum_signature api-key secret=plum;
            plum_signature github secret=plum; plum_satisfy any;
            plum_accept orders retention=2d; }
        location /billing { internal;
            plum_deliver concurrency=3 retry=1s,2s breaker=2:9s success=2xx;
            plum_sign standard-webhooks secret=plum;
            proxy_pass http://127.0.0.1:1; }
    }
}
CONF

my $t = Test::Plum->new(log => 'warn');
$t->certificates;
$t->port('redis');
$t->secret('plum', $SECRET);
$t->secret('plum2', "2$SECRET");
$t->secret('public', 'whpk_' . 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=');

my ($status, $said) = $t->test_config($CONF);
is($status, 0, 'with all memory there is') or diag($said);

my ($n, $fails, @crashed, @passed) = (0, 1);
while ($status == 0 && $fails) {
    local $ENV{PLUM_FAIL_NTH} = $n + 1;
    my ($left, $said) = $t->test_config($CONF);
    $fails = $said =~ /an allocation fails/;
    $n++ if $fails;
    push @passed, $n if $fails && $left == 0;
    push @crashed, "$n: $left $said"
        if $left > 1 || $said =~ /Sanitizer|runtime error/;
}

cmp_ok($n, '>', 100, 'there are many allocations');
diag("$n allocations, each failed once");
is(join(' ', @passed), '', 'without one there is no configuration');
is(join("\n", @crashed), '', 'each fails in peace');
done_testing();
