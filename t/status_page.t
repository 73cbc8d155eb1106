#!/usr/bin/perl

# The HTML of plum_status in a browser: the numbers of known deliveries are in
# its DOM, what needs attention stands first, and nothing is loaded from
# elsewhere.  Needs Debian's chromium, which is no package of "make test": it
# is skipped without.  PLUM_STATUS_PICTURES=folder keeps pictures of the page.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(run_command);

my (undef, $chromium) = run_command('sh', '-c', 'command -v chromium');
chomp $chromium;
plan skip_all => 'no chromium' if !$chromium;

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
    plum_store local memory:1m;
    plum_store events redis://127.0.0.1:%%PORT_nobody%% timeout=100ms;
    plum_tls off;
    plum_signature github secret=plum;
    plum_allow all;
    plum_capture $id id;
    plum_idempotency_key $id;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name hooks.example.com;
        location /orders {
            plum on;
            plum_idempotency local;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /refunds {
            plum on "name=refunds <of the shop & more>";
            plum_idempotency events;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /silent { plum on name=silent;
                           proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location = /status { plum_status; }
    }
}
CONF
$t->run;

deliver('/orders', 200) for 1 .. 3;
deliver('/orders', 401, secret => 'x' x 20) for 1 .. 2;
deliver('/refunds', 503);
$up->script({status => 500});
deliver('/orders', 500);
$t->wait_log(qr/redis is unavailable/, 10);

my $dom = browse('--dump-dom', 'status');
my %gate = map { m{\A([^"]*)"} ? ($1 => $_) : () }
    $dom =~ m{<section data-gate="(.*?)</section>}gs;
is_deeply([sort keys %gate], ['hooks.example.com/orders',
    'refunds &lt;of the shop &amp; more&gt;', 'silent'], 'the gates');

my $orders = $gate{'hooks.example.com/orders'};
is(figure($orders, 'plum_events_total', verdict => 'accepted'), 4,
    'accepted');
is(figure($orders, 'plum_events_total', verdict => 'refused'), 2, 'refused');
is(figure($orders, 'plum_forwards_total', outcome => 'success'), 3,
    'forwarded');
is(figure($orders, 'plum_forwards_total', outcome => 'failure'), 1,
    'failed');
is(figure($orders, 'plum_secret_matches_total', secret => 'plum#1'), 4,
    'the key');

my @findings = $dom =~ /data-finding="(\w+)"/g;
is_deeply(\@findings, [qw(silence silence refused refused forwards store)],
    'findings, by weight');
like($dom, qr{data-metric="plum_refused_total"
    [ ]data-reason="credential_mismatch">2</b>}x, 'a reason, how often');
like($dom, qr/after a rotation, list the old one/, 'and what to do');
like($dom, qr/data-store="events".*?data-metric="plum_store_up"[^>]*>0</s,
    'a store that is down');

SKIP: {
    my $folder = $ENV{PLUM_STATUS_PICTURES};
    skip 'no pictures are wanted', 4 if !$folder;
    for my $width (1280, 390) {
        for my $mode ('light', 'dark') {
            my $file = "$folder/status-$width-$mode.png";
            browse("--screenshot=$file", 'status', "--window-size=$width,1400",
                $mode eq 'dark' ? '--blink-settings=preferredColorScheme=0'
                : '--blink-settings=preferredColorScheme=1');
            ok(-s $file, "a picture, $width pixels, $mode");
        }
    }
}

$t->done_testing;


my $serial;

sub deliver {
    my ($uri, $status, %opt) = @_;

    $serial++;
    is($t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => qq({"id":"$serial","x":1}), %opt)->status, $status,
        "delivery to $uri");
    return;
}


sub figure {
    my ($section, $metric, $label, $value) = @_;

    return $section =~ /data-metric="$metric" data-$label="\Q$value\E">(\d+)</
        ? $1 : undef;
}


sub browse {
    my ($what, $uri, @more) = @_;

    my $port = $t->port(0);
    my ($status, $said) = run_command('sh', '-c', 'exec "$@" 2>/dev/null',
        'sh', $chromium, '--headless', '--no-sandbox', '--disable-gpu',
        '--no-first-run', '--disable-dev-shm-usage', '--hide-scrollbars',
        '--no-proxy-server', "--user-data-dir=" . $t->path('browser'), @more,
        $what, "http://127.0.0.1:$port/$uri?format=html");
    return $said;
}
