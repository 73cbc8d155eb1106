#!/usr/bin/perl

# Names of gates as labels: given and made, whatever bytes are in them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Test::Plum;
use Test::Plum::Metrics;
use Test::Plum::Process qw(run_command);

my $SECRET = 'a secret of many bytes 0123456789';

# as NGINX reads it, and as it is
my @NAMES = (
    ['plain', 'plain'],
    ['"with blanks { } ;"', 'with blanks { } ;'],
    ['"quote \" backslash \\\\\\\\ end"', "quote \" backslash \\\\ end"],
    ['"line\nfeed, tab\t."', "line\nfeed, tab\t."],
    ["\"Pfirsich \xf0\x9f\x8d\x91 \xc3\xbc\"",
        "Pfirsich \xf0\x9f\x8d\x91 \xc3\xbc"],
    ['"<script>alert(1)</script>&\'"', "<script>alert(1)</script>&'"],
    ['"\"} 1\nplum_fake_total{gate=\"x"',
        "\"} 1\nplum_fake_total{gate=\"x"],
);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
$t->secret('plum', $SECRET);
my $n = 0;
my $gates = join '', map { $n++; "location /$n {\nplum on \"name="
    . ($_->[0] =~ s/\A"|"\z//gr) . "\";\n"
    . "proxy_pass http://127.0.0.1:%%PORT_up%%;\n}\n" } @NAMES;
$t->write_conf(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret "pl\\"um" %%TESTDIR%%/plum;
    plum_tls off;
    plum_signature github "secret=pl\\"um";
    plum_allow all;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name a.example b.example;
        $gates
        location /twice { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location = /twice { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /one { plum on name=both;
                        proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location "/bytes\xff\xc3(" { plum on;
                        proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location = /status { plum_status; }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        server_name c.example;
        location /two { plum on name=both;
                        proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /three { plum on name=a.example/two;
                        proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_2%%;
        server_name a.example;
        location /two { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_3%%;
        location /two { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
}
CONF
$t->run;

$n = 0;
deliver('/' . ++$n) for @NAMES;
deliver('/twice') for 1 .. 2;
deliver('/twice/not') for 1 .. 3;
deliver('/one');
deliver('/two', port => 1);
deliver('/three', port => 1);
deliver('/two', port => 2) for 1 .. 2;
deliver('/two', port => 3);
deliver('/bytes%FF%C3(');

my $m = Test::Plum::Metrics->read($t);
my $accepted = $m->by('plum_events_total', 'gate', verdict => 'accepted');
is($accepted->{$_->[1]}, 1, "gate " . $_->[1] =~ s/\n/\\n/gr) for @NAMES;
is($accepted->{'a.example/twice'}, 3, 'a name');
is($accepted->{'a.example/twice#2'}, 2, 'the same once more: another gate');
is($accepted->{both}, 2, 'a given name twice: one gate');
is($accepted->{'a.example/two'}, 1, 'a given name is taken');
is($accepted->{'a.example/two#2'}, 2, 'from the one that would be made so');
is($accepted->{'/two'}, 1, 'a server without a name');
is($accepted->{"a.example/bytes\xef\xbf\xbd\xef\xbf\xbd("}, 1,
    'bytes that are no UTF-8');
is(scalar keys %$accepted, @NAMES + 7, 'and no more');
is($m->type('plum_fake_total'), undef, 'no name makes a metric');
is(($m->labels('plum_secret_matches_total'))[0]{secret}, 'pl"um#1',
    'the name of a secret');

my $json = JSON::PP->new->utf8->decode(body('json'));
my @names = sort map { my $name = $_->{labels}{gate}; utf8::encode($name);
    $name } grep { $_->{labels}{verdict} eq 'accepted' }
    @{$json->{plum_events_total}{samples}};
is_deeply(\@names, [sort keys %$accepted],
    'JSON has the same names');

my $html = body('html');
unlike($html, qr/<script/, 'HTML: no name is markup');
like($html, qr/&lt;script&gt;alert\(1\)&lt;\/script&gt;&amp;&#39;/,
    'it is text');
for my $format (qw(html json prometheus openmetrics)) {
    my $text = body($format);
    ok(utf8::decode($text), "$format is UTF-8");
}

my (undef, $which) = run_command('sh', '-c', 'command -v promtool');
SKIP: {
    skip 'no promtool', 1 if !$which;
    my $file = $t->write_file('page', body('prometheus'));
    my ($status, $found) = run_command('sh', '-c',
        'promtool check metrics < "$1"', 'sh', $file);
    is("$status: $found", '0: ', 'promtool check metrics');
}

$t->done_testing;


sub deliver {
    my ($uri, %opt) = @_;

    is($t->deliver(scheme => 'github', secret => $SECRET, uri => $uri, %opt)
        ->status, 200, "delivery to $uri");
    return;
}


sub body { return $t->request(uri => "/status?format=$_[0]")->body }
