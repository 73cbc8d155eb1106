#!/usr/bin/perl

# monitoring/: the alerts fire when they should, and not else; each has its
# entry in the runbook; every query of the dashboard has an answer of a real
# Prometheus that has scraped a gateway under load.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Test::Plum::Example qw(slurp);
use Test::Plum::Process qw(spawn end_process poll_until run_command);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $DIR = Test::Plum::root() . '/monitoring';

for my $tool (qw(promtool prometheus)) {
    my (undef, $which) = run_command('sh', '-c', "command -v $tool");
    plan skip_all => "no $tool" if !$which;
}

my $ALERTS = slurp('monitoring/alerts.yml');
my @alerts = $ALERTS =~ /^ +- alert: (\w+)$/mg;
my $dashboard = JSON::PP::decode_json(slurp('monitoring/dashboard.json'));
my @queries = map { $_->{expr} } map { @{$_->{targets}} }
    @{$dashboard->{panels}};

my $t = Test::Plum::Queue->new(workers => 2);
names();
alerts();
queries();
$t->done_testing;


# all metrics that there are, and no others

sub names {
    my @metrics = slurp('ngx_plum_module/status/'
        . 'ngx_http_plum_status_families.c') =~ /^ +\{ "(plum_\w+)",/mg;
    my %known = map { $_ => 1 } @metrics, map { $_ . '_bucket' } @metrics;

    my %shown = map { $_ => 1 } map { /\b(plum_\w+)/g } @queries;
    is_deeply([grep { !$known{$_} } sort keys %shown], [],
        'the dashboard knows the metrics');
    is_deeply([grep { !$shown{$_} && !$shown{$_ . '_bucket'} } @metrics], [],
        'and shows all of them');
    my %used = map { $_ => 1 } map { /\b(plum_\w+)/g }
        $ALERTS =~ s/^ *#.*$//mgr;
    is_deeply([grep { !$known{$_} } sort keys %used], [],
        'the alerts know them');
    return;
}


sub alerts {
    my ($status, $said) = run_command('promtool', 'check', 'rules',
        "$DIR/alerts.yml");
    is($status, 0, 'promtool check rules') or diag($said);
    ($status, $said) = run_command('promtool', 'test', 'rules',
        "$DIR/alerts_test.yml");
    is($status, 0, 'promtool test rules') or diag($said);

    my $cases = slurp('monitoring/alerts_test.yml');
    my $runbook = slurp('docs/OPERATIONS.md');
    for my $alert (@alerts) {
        for my $case ('fires', 'is silent') {
            ok($cases =~ /^  - name: $alert $case$/m, "$alert $case");
        }
        like($runbook, qr/^### $alert$/m, 'and is in the runbook');
    }

    # the tool finds what is wrong
    my $broken = $ALERTS =~ s/plum_store_up\) == 0/plum_store_up) == 7/r;
    $t->write_file('alerts.yml', $broken);
    $t->write_file('alerts_test.yml', $cases);
    ($status) = run_command('promtool', 'test', 'rules',
        $t->path('alerts_test.yml'));
    isnt($status, 0, 'an alert that is changed fails its case');
    return;
}


sub queries {
    my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
    $t->gateway(
        consumers => ['deliver one /deliver/one;'],
        http => 'plum_store local memory:1m;',
        more => 'location = /status { plum_status; }
            location /inline { plum on; plum_accept off;
                plum_idempotency local;
                proxy_pass http://127.0.0.1:%%PORT_up%%; }
            location /redis { plum on; plum_accept off;
                plum_idempotency events;
                proxy_pass http://127.0.0.1:%%PORT_up%%; }',
    );

    my $port = $t->port('prometheus');
    my $gateway = $t->port(0);
    $t->write_file('prometheus.yml', <<"YML");
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files:
  - $DIR/alerts.yml
scrape_configs:
  - job_name: plum
    metrics_path: /status
    static_configs:
      - targets: ['127.0.0.1:$gateway']
YML
    my $dir = $t->dir;
    my $pid = spawn(['prometheus', "--config.file=$dir/prometheus.yml",
        "--storage.tsdb.path=$dir/tsdb", "--web.listen-address=127.0.0.1:$port",
        '--log.level=warn'],
        stdout => "$dir/prometheus.log", stderr => "$dir/prometheus.log");

    my $client = Test::Plum::Client->new(port => $port, dir => $dir);
    my %empty = map { $_ => 1 } @queries;
    my $n = 0;
    my $all = poll_until(sub {
        for my $uri ('/', '/inline', '/redis') {
            $t->request($t->event({id => "q$n"}, uri => $uri));
            $n++;
        }
        delete @empty{grep { answered($client, $_) } sort keys %empty};
        return !%empty;
    }, 30);
    ok($all, 'every query has an answer')
        or diag(join("\n", sort keys %empty), "\n",
            $t->read_file('prometheus.log'));

    my $up = $client->request(uri => '/api/v1/targets')->json;
    is($up->{data}{activeTargets}[0]{health}, 'up',
        'Prometheus can read the page');
    end_process($pid);
    return;
}


sub answered {
    my ($client, $query) = @_;

    my $text = $query =~ s/\$__rate_interval/10s/gr;
    $text =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ge;
    my $answer = $client->request(uri => "/api/v1/query?query=$text");
    return 0 if $answer->status != 200;
    return scalar grep { $_->{value}[1] ne 'NaN' }
        @{$answer->json->{data}{result}};
}
