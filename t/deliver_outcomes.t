#!/usr/bin/perl

# What becomes of an attempt by what the consumer answers: done, again in the
# order of the waits, paused, a dead letter.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');

my @NAMES = qw(billing few odd none);

$t->gateway(
    consumers => [map {"deliver $_ /deliver/$_ for=$_;"} @NAMES],
    allow => 'all_of_them',
    deliver => ' ',
    locations => {
        '/deliver/billing' => at('retry=50ms,100ms,200ms,10m breaker=off'),
        '/deliver/few' => at('retry=50ms,100ms breaker=off'),
        '/deliver/odd' => at('retry=50ms,10m breaker=off success=204,409'),
        '/deliver/none' => <<'CONF',
            plum_deliver retry=50ms,10m breaker=off;
            proxy_pass http://127.0.0.1:%%PORT_nobody%%;
CONF
    },
);
my $up = $t->{up};
my $n = 0;

again();
success_codes();
dead_letter();
no_answer();
nobody();
gone();
gone_at_last();
retry_after();

$t->done_testing;


sub at {
    my ($parameters) = @_;

    return "plum_deliver $parameters; proxy_http_version 1.1; "
        . 'proxy_set_header Connection ""; '
        . 'proxy_pass http://127.0.0.1:%%PORT_up%%;';
}


sub event { return $t->event_for(@_) }


sub again {
    for my $status (500, 502, 400, 404, 302, 408, 425, 429, 503) {
        $up->script({status => $status});
        my $key = event('billing');
        is($t->ends($key, 2), "1:$status:again 2:200:delivered",
            "$status: again");
        ok($t->empty('billing'), "$status: then it is done");
    }

    $up->script(map { {status => 500} } 1 .. 3);
    my $key = event('billing');
    is($t->ends($key, 4), '1:500:again 2:500:again 3:500:again 4:200:delivered',
        'attempt after attempt');
    my @got = $up->wait_for(4);
    my @waits = map { $got[$_ + 1]{time} - $got[$_]{time} } 0 .. 2;
    cmp_ok($waits[1], '>', 0.079, 'not before its wait less a fifth');
    cmp_ok($waits[2], '>', 0.159, 'which is longer each time');
    is(scalar(grep { $up->header($_, 'Idempotency-Key') eq $key } @got), 4,
        'each with the same key');
    is(scalar(grep { $_->{body} eq $got[0]{body} } @got), 4,
        'and the same body');

    my @lines = $t->log_lines(qr/does not accept events/);
    cmp_ok(scalar @lines, '>=', 1, 'a state is logged');
    like($lines[0], qr/consumer\ "billing"\ of\ queue\ "orders"\ does\ not
        \ accept\ events:\ status\ 500;/x, 'with the status');
    cmp_ok(scalar $t->log_lines(qr/accepts events again/), '>=', 1,
        'and its end');
    is(scalar(grep {/status 500/} @lines), 2,
        'once for each change, not for each attempt');
    return;
}


sub success_codes {
    $up->script({status => 409});
    is($t->ends(event('odd'), 1), '1:409:delivered', 'a code of success=');
    $up->script({status => 200}, {status => 204});
    is($t->ends(event('odd'), 2), '1:200:again 2:204:delivered',
        'and one that is not among them');
    return;
}


sub dead_letter {
    $up->script(map { {status => 500 + $_} } 0 .. 2);
    my $key = event('few');
    is($t->ends($key, 3), '1:500:again 2:501:again 3:502:dead',
        'all waits are used up');
    ok($t->empty('few'), 'it waits no more');

    my @dead = $t->entries('few', 'dead');
    is(scalar @dead, 1, 'it is a dead letter');
    is($dead[0]{k}, $key, 'with its key');
    is($dead[0]{a}, 3, 'the number of attempts');
    is($dead[0]{s}, 502, 'the last status');
    is($dead[0]{r}, 'attempts', 'and the reason');
    is($dead[0]{b}, qq({"id":"$key","type":"few"}), 'and its body');
    my @lines = $t->log_lines(qr/dead letter/);
    is(scalar @lines, 1, 'logged once');
    like($lines[0], qr/consumer\ "few"\ of\ queue\ "orders"\ is\ a\ dead
        \ letter\ after\ 3\ attempts,\ the\ last\ with\ status\ 502;
        \ key\ "\Q$key\E"/x,
        'with all that');

    is($t->ends(event('few'), 1), '1:200:delivered', 'the next one is delivered');
    return;
}


sub no_answer {
    for my $action (qw(head_close head_reset close reset)) {
        $up->script({action => $action});
        my $key = event('billing');
        is($t->ends($key, 2), '1:502:again 2:200:delivered', "$action: again");
    }

    for my $action (qw(half half_reset)) {
        $up->script({action => $action, body => 'x' x 1000});
        my $key = event('billing');
        is($t->ends($key, 1), '1:200:delivered', "200, $action: it has it");
    }

    $up->script({action => 'raw', raw => "no status line\n"});
    my $key = event('billing');
    like($t->ends($key, 2), qr/^1:\d+:again 2:200:delivered$/,
        'HTTP/0.9 is no answer');
    return;
}


sub nobody {
    my $key = event('none');
    is($t->ends($key, 2), '1:502:again 2:502:again', 'no connection');
    like(($t->log_lines(qr/consumer "none".*does not accept/))[0],
        qr/no answer/, 'as it is logged');
    return;
}


sub gone {
    $up->script({status => 410});
    my $key = event('few');
    is($t->ends($key, 1), '1:410:again', 'gone');
    my %ctl = @{$redis->command('HGETALL', $t->key('ctl', 'few'))};
    is($ctl{paused}, '410', 'the consumer is paused');
    is($ctl{until}, 0, 'until somebody resumes it');
    my ($line) = $t->log_lines(qr/says that it is gone/);
    like($line, qr/plum-queue resume few/, 'the log says how');

    $up->forget;
    $t->accepted({id => $t->next_key, type => 'few'}) for 1 .. 2;
    is($t->ends(event('billing'), 1), '1:200:delivered', 'the others are not');
    is(scalar(grep { $_->{uri} eq '/deliver/few' } $up->requests), 0,
        'nothing comes to it');
    is(scalar(my @left = $t->entries('few')), 3, 'all waits');

    $t->resume('few');
    ok($t->empty('few'), 'resumed, it gets what has waited');
    is($t->ends($key, 2), '1:410:again 2:200:delivered', 'the first one, too');
    return;
}


sub gone_at_last {
    $up->script({status => 500}, {status => 500}, {status => 410});
    my $key = event('few');
    is($t->ends($key, 3), '1:500:again 2:500:again 3:410:again',
        'gone at the last attempt: no dead letter');
    is(scalar(my @dead = $t->entries('few', 'dead')), 1, 'none is added');
    $t->resume('few');
    ok($t->empty('few'), 'resumed, it is delivered');
    return;
}


sub retry_after {
    for my $status (429, 503) {
        $up->script({status => $status, headers => [['retry-after', 2]]});
        my $key = event('billing');
        is($t->ends($key, 1), "1:$status:again", "$status with Retry-After");
        my %ctl = @{$redis->command('HGETALL', $t->key('ctl', 'billing'))};
        is($ctl{paused}, 'retry-after', 'pauses the consumer');
        my ($second) = $up->wait_for(2, 10);
        my @got = $up->requests;
        is($t->ends($key, 2), "1:$status:again 2:200:delivered", 'then again');
        cmp_ok($got[1]{time} - $got[0]{time}, '>', 1.9, 'not earlier');
    }

    # of others it means nothing
    $up->script({status => 500, headers => [['Retry-After', 3600]]});
    is($t->ends(event('billing'), 2), '1:500:again 2:200:delivered',
        '500 with Retry-After');

    # and not more than an hour
    $up->script({status => 503, headers => [['Retry-After', 86_400]]});
    my $key = event('billing');
    is($t->ends($key, 1), '1:503:again', 'a day is asked for');
    my %ctl = @{$redis->command('HGETALL', $t->key('ctl', 'billing'))};
    my $left = $ctl{until} - 1000 * time;
    cmp_ok($left, '<', 3_700_000, 'an hour is obeyed');
    cmp_ok($left, '>', 3_500_000, 'not less');
    $t->resume('billing');
    ok($t->empty('billing'), 'resumed');
    return;
}
