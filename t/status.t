#!/usr/bin/perl

# plum_status as a page: who may ask for it and how, in which format it comes,
# and that Prometheus's own tool finds nothing wrong with it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Example ();
use Test::Plum::Metrics;
use Test::Plum::Process qw(run_command);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new(workers => 2);
my $up = $t->upstream('up');
$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_tls off;
    plum_signature github secret=plum;
    plum_allow all;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name hooks.example;
        gzip on;
        gzip_types text/plain application/json;

        location /hook { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location = /status { plum_status; }
        location = /closed { plum_status; deny all; }
        location = /part { ssi on; ssi_types text/plain; alias
            %%TESTDIR%%/part.txt; }
    }
}
CONF
$t->write_file('part.txt', 'before<!--# include virtual="/status?format=json" '
    . '-->after');
$t->run;

my %TYPE = (
    prometheus => 'text/plain; version=0.0.4; charset=utf-8',
    openmetrics => 'application/openmetrics-text; version=1.0.0; '
        . 'charset=utf-8',
    json => 'application/json',
    html => 'text/html; charset=utf-8',
);

deliver();
formats();
negotiation();
methods();
surroundings();
tools();

$t->done_testing;


sub deliver {
    is($t->deliver(scheme => 'github', secret => $SECRET, uri => '/hook')
        ->status, 200, 'a delivery');
    return;
}


sub page {
    my ($format, %opt) = @_;
    return $t->request(uri => '/status' . ($format ? "?format=$format" : ''),
        %opt);
}


sub formats {
    for my $format (sort keys %TYPE) {
        my $r = page($format);
        is($r->status, 200, $format);
        is($r->header('content-type'), $TYPE{$format}, 'its type');
        is($r->header('cache-control'), 'no-store', 'is not stored');
        is($r->header($_), undef, "has no $_")
            for qw(etag last-modified accept-ranges);
        like($r->body, qr/hooks\.example\/hook/, 'and names the gate');
    }

    for my $format ('', 'xml', 'HTML', 'json,html', '%6Ason') {
        my $r = $t->request(uri => "/status?format=$format");
        is($r->status, 400, "format \"$format\"");
        is($r->header('content-type'), 'text/plain; charset=utf-8', 'text');
        is($r->body, qq(unknown format, it must be "html", "json", )
            . qq("prometheus" or "openmetrics"\n), 'says what there is');
        is($r->header('cache-control'), 'no-store', 'is not stored, either');
    }
    is(page('json')->status, 200, 'a format that there is');
    is($t->request(uri => '/status?a=1&format=json&b=2')
        ->header('content-type'), $TYPE{json}, 'among other arguments');

    my $json = page('json')->json;
    is($json->{plum_events_total}{type}, 'counter', 'JSON: type');
    my ($sample) = grep { $_->{labels}{verdict} eq 'accepted' }
        @{$json->{plum_events_total}{samples}};
    is($sample->{value}, 1, 'value');
    my $times = $json->{plum_gate_seconds}{samples}[0];
    is($times->{count}, 1, 'histogram: count');
    is($times->{buckets}{'+Inf'}, 1, 'the last bucket has all');
    cmp_ok($times->{sum}, '>', 0, 'sum');

    my $open = page('openmetrics')->body;
    like($open, qr/^# TYPE plum_events counter$/m,
        'OpenMetrics: a counter family has no _total');
    like($open, qr/^plum_events_total\{/m, 'its samples do');
    like($open, qr/\n# EOF\n\z/, 'and an end');
    return;
}


sub negotiation {
    my $browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,'
        . '*/*;q=0.8';
    my $prometheus = 'application/openmetrics-text;version=1.0.0;q=0.5,'
        . 'text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
    for my $case (
        [undef, 'prometheus'], ['*/*', 'prometheus'], ['', 'prometheus'],
        [$browser, 'html'], [$prometheus, 'openmetrics'],
        ['application/json', 'json'], ['text/plain', 'prometheus'],
        ['text/html;q=0.1, application/json;q=0.2', 'json'],
        ['text/html;q=0, */*', 'prometheus'], ['image/png', 'prometheus'],
    ) {
        my ($accept, $format) = @$case;
        my $r = page('', defined $accept
            ? (headers => {accept => $accept}) : ());
        is($r->header('content-type'), $TYPE{$format},
            'Accept: ' . (defined $accept ? $accept : '(none)'));
    }

    my $r = page('', headers => [['Accept', 'text/html;q=0.2'],
        ['accept', 'application/json;q=0.3']]);
    is($r->header('content-type'), $TYPE{json}, 'two headers');
    is(page('html', headers => {accept => 'application/json'})
        ->header('content-type'), $TYPE{html}, 'format= outranks them');
    return;
}


sub methods {
    my $get = page('html');
    my $head = page('html', method => 'HEAD');
    is($head->status, 200, 'HEAD');
    is($head->body, '', 'without a body');
    is($head->header('content-type'), $TYPE{html}, 'with the type');
    ok($head->header('content-length'), 'and the length');

    for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
        my $r = page('json', method => $method, body => '{}');
        is($r->status, 405, $method);
        is($r->header('allow'), 'GET, HEAD', 'says what is allowed');
    }
    is(page('json', body => 'x' x 100_000)->status, 200,
        'a body with GET is thrown away');
    is(page('json')->status, 200, 'GET');
    return;
}


sub surroundings {
    is($t->request(uri => '/closed')->status, 403, 'deny holds here, too');
    my $r = $t->request(uri => '/part');
    like($r->body, qr/\Abefore\{.*"plum_build_info".*\}\nafter\z/s,
        'as a part of a page (SSI)');

    $r = page('json', headers => {'accept-encoding' => 'gzip'});
    is($r->header('content-encoding'), 'gzip', 'compressed as configured');

    my $html = page('html')->body;
    unlike($html, qr/<script|https?:|\bsrc=|\bhref=|\@import|url\(/i,
        'HTML: nothing from elsewhere, no script');
    like($html, qr/<meta http-equiv="refresh"/, 'it refreshes itself');
    like($html, qr/prefers-color-scheme:dark/, 'light and dark');
    like($html, qr/<meta name="viewport"/, 'fits a phone');
    return;
}


sub tools {
    my $m = Test::Plum::Metrics->read($t);
    is($m->type('plum_events_total'), 'counter', 'a type');
    my $info = ($m->labels('plum_build_info'))[0];
    my ($version) = Test::Plum::Example::slurp('CHANGES')
        =~ /^Changes with ngx_plum_module (\S+)/m;
    is($info->{version}, $version, 'the version of CHANGES');
    my (undef, $said) = run_command($t->{nginx}, '-v');
    is("nginx/$info->{nginx}", $said =~ s{.*(nginx/\S+).*}{$1}sr,
        'the version of NGINX');

    # the formats differ in the head of counters, and in the end
    my $text = page('prometheus')->body;
    is(page('openmetrics')->body, $text =~ s/^(# \w+ \w+)_total /$1 /gmr
        . "# EOF\n", 'OpenMetrics says the same');

    my (undef, $which) = run_command('sh', '-c', 'command -v promtool');
    SKIP: {
        skip 'no promtool', 1 if !$which;
        my $file = $t->write_file('page', $text);
        my ($status, $found) = run_command('sh', '-c',
            'promtool check metrics < "$1"', 'sh', $file);
        is("$status: $found", '0: ', 'promtool check metrics');
    }
    return;
}
