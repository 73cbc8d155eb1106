#!/usr/bin/perl

# A gateway whose allocations fail now and then: senders retry until they are
# acknowledged.  No acknowledged event is missing at the upstream, no worker
# dies, nothing leaks (the NGINX under test has sanitizers).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../t/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until spawn_sub reap);
use Test::Plum::Redis;
use Time::HiRes qw(sleep time);

my $SECRET = 'a secret of many bytes 0123456789';
my $SECONDS = $ENV{PLUM_SECONDS} || 10;
my @URIS = ('/here', '/there', '/answer', '/token');

my $t = Test::Plum->new(workers => 2, log => 'warn',
    env => {PLUM_FAIL => $ENV{PLUM_FAIL} || 60});
my $redis = Test::Plum::Redis->new(test => $t);
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store here memory:4m;
    plum_store there redis://127.0.0.1:%%PORT_redis%%;
    plum_allowlist some { event_type type; allow id type;
                          allow more.* for=x; }
    log_format all '$plum_key $plum_event_type $plum_body $plum_body_sha256';
    access_log %%TESTDIR%%/all.log all;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_tls%% ssl;
        %%TLS_SERVER%%
        plum_tls off;
        plum_signature standard-webhooks secret=plum;
        plum_allow some;
        plum_capture $id id;
        plum_idempotency_key $id $uri;
        plum_idempotency here lease=1s;

        location /here { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /there { plum on; plum_idempotency there lease=1s;
            proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /answer { plum on; plum_ack off;
            plum_idempotency there lease=1s answer=4k;
            proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /token { plum on; plum_signature body-token secret=plum
            path=token; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
}
CONF
$t->run;
my %old = map { $_ => 1 } $t->workers;

my $end = time() + $SECONDS;
my @senders = map { sender($_) } 0 .. 3;
poll_until(sub { !grep { !defined reap($_) } @senders }, $SECONDS + 30);
is(scalar(grep { reap($_) != 0 } @senders), 0, 'all senders came to an end');

my %forwarded;
$forwarded{$_->{uri} . ' ' . $_->{body}}++ for $up->requests;
my (%status, @missing);
my ($acknowledged, $doubled) = (0, 0);

for my $line (map { split /\n/, $t->read_file("sent.$_") } 0 .. 3) {
    my ($what, $statuses) = split /\t/, $line;
    $status{$_}++ for split / /, $statuses;
    next if $statuses !~ / ?200$/;

    $acknowledged++;
    push @missing, $what if !$forwarded{$what};
    $doubled++ if ($forwarded{$what} || 0) > 1;
}

is(join("\n", @missing), '', 'no acknowledged event is missing');
cmp_ok($acknowledged, '>', 50, 'events are acknowledged');
cmp_ok($status{500} || 0, '>', 10, 'requests fail for want of memory');
is(join(' ', grep { !$old{$_} } $t->workers), '', 'no worker has died');
diag("$acknowledged acknowledged, $doubled doubled; ",
    join ', ', map { "$_: $status{$_}" } sort keys %status);

$t->done_testing;


sub sender {
    my ($n) = @_;

    return spawn_sub(sub {
        my ($uri, $serial, @sent) = ($URIS[$n], 0);

        while (time() < $end) {
            my $id = "$n-" . $serial++;
            my @statuses;

            for (1 .. 60) {
                my %to = $serial % 5 ? () : (port => 'tls', tls => 1);
                push @statuses, $t->deliver(%to, uri => $uri,
                    scheme => 'standard-webhooks', secret => $SECRET,
                    body => qq({"id":"$id","type":"x","more":{"a":1,"b":[]},)
                        . qq("token":"$SECRET","left":"out"}))->status;
                last if $statuses[-1] == 200;
                sleep 0.05;
            }
            push @sent, qq($uri {"id":"$id","type":"x","more":{"a":1}}\t@statuses);
        }
        $t->write_file("sent.$n", join "\n", @sent, '');
    });
}
