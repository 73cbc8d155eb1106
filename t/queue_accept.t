#!/usr/bin/perl

# plum_accept: an event is appended for each consumer that wants it, as that
# consumer may see it, and acknowledged.  What is in Redis then.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
my @NAMES = qw(billing crm events raw stats);

$t->gateway(
    allow => 'orders',
    server => 'plum_ack 202;',
    lists => <<'LISTS',
        plum_allowlist orders {
            event_type type;
            allow id name nested.**;
            allow total for=order.*;
        }
        plum_allowlist billing { allow id total; }
        plum_allowlist events { event_type other; allow id;
            allow name for=order.paid; }
        plum_allowlist wide { allow ** ; }
        plum_allowlist deep { allow id nested.a; }
LISTS
    consumers => [
        'deliver billing /deliver/billing allow=billing for=order.*;',
        'deliver crm /deliver/crm allow=deep;',
        'deliver events /deliver/events allow=events;',
        'deliver raw /deliver/raw;',
        'publish stats allow=wide for=order.paid,offer.* keep=1h;',
    ],
);
$t->pause($_) for qw(billing crm events raw);

my %body = (id => 'a', type => 'order.paid', name => 'N', total => 5,
    secret => 'nobody', nested => {a => 1, b => 2});

views();
duplicates();
unwanted();
refusals();
double_names();

$t->done_testing;


sub body {
    my (%with) = @_;

    my %all = (%body, %with);
    my $nested = join ',', map { qq("$_":$all{nested}{$_}) }
        sort keys %{$all{nested}};
    return qq({"id":"$all{id}","type":"$all{type}","name":"$all{name}",)
        . qq("total":$all{total},"secret":"$all{secret}",)
        . qq("nested":{$nested}});
}


# what each stream got since the last look

sub got {
    my %got;
    for my $name (@NAMES) {
        my @entries = $t->entries($name);
        $got{$name} = $entries[-1] if @entries > ($t->{seen}{$name} || 0);
        $t->{seen}{$name} = @entries;
    }
    return \%got;
}


sub views {
    my $r = $t->accept(body());
    is($r->status, 202, 'the code of plum_ack');
    is($r->body, '', 'and nothing else');
    ok($t->logged('a', qr/ 202 \[accepted\] \[-\] \[new\]/), 'variables');

    my $got = got();
    is(join(' ', sort keys %$got), 'billing crm events raw stats', 'appended');
    my $clean = '{"id":"a","name":"N","total":5,"nested":{"a":1,"b":2}}';
    is($got->{billing}{b}, '{"id":"a","total":5}', 'its own list');
    is($got->{crm}{b}, '{"id":"a","nested":{"a":1}}', 'deeper than theirs');
    is($got->{events}{b}, '{"id":"a","name":"N"}',
        'the type is that of the location, though the body has it no more');
    is($got->{raw}{b}, $clean, 'without a list the clean body');
    is($got->{stats}{b}, $clean, 'no more than the clean body');
    for my $name (@NAMES) {
        is($got->{$name}{k}, 'a', "$name: the key");
        is($got->{$name}{e}, 'order.paid', "$name: the event type");
        like($got->{$name}{t}, qr/\A\d{13}\z/, "$name: the time");
        unlike(join('', %{$got->{$name}}), qr/nobody/, "$name: no more");
    }
    unlike(join('', map { $redis->command('DUMP', $t->key('s', 'billing')) }
        1), qr/nobody|nested/, 'the stream holds the view only');

    is($redis->command('XINFO', 'GROUPS', $t->key('s', 'billing'))->[0][1],
        'plum', 'the group is there from the beginning');
    is($redis->command('XPENDING', $t->key('s', 'billing'), 'plum')->[0], 0,
        'and nothing is taken');
    my ($record) = $t->records;
    like($record, qr/\Aplum:\{orders\}:k:%o[0-9a-f]{16}:a\z/, 'the record');
    is($redis->command('GET', $record), 'd', 'says done');
    cmp_ok($redis->command('PTTL', $record), '>', 6.9 * 86_400_000,
        'for seven days');
    return;
}


sub duplicates {
    my $r = $t->accept(body(name => 'another'));
    is($r->status, 202, 'a duplicate is acknowledged');
    ok($t->logged('a', qr/ 202 \[duplicate\] \[-\] \[duplicate\]/), 'known');
    is_deeply(got(), {}, 'and not appended');

    my @answers = $t->parallel({}, map { {$t->event(body(id => 'many'))} }
        1 .. 20);
    is(scalar(grep { $_->status == 202 } @answers), 20, 'twenty copies');
    is(scalar(grep { $_->{k} eq 'many' } $t->entries('raw')), 1,
        'are appended once');
    got();
    return;
}


sub unwanted {
    $t->accept(body(id => 'b', type => 'order.sent'));
    my $got = got();
    is(join(' ', sort keys %$got), 'billing crm raw',
        'those that want it, by for= and by their list');

    $t->accept(body(id => 'c', type => 'user.new'));
    $got = got();
    is(join(' ', sort keys %$got), '', 'a type that is on no list');
    ok($t->logged('-', qr/ 422 \[refused\] \[event_unlisted\]/), 'is refused');
    return;
}


sub refusals {
    my %bad = $t->event(body(id => 'x'));
    $bad{body} =~ s/order/offer/;
    is($t->request(%bad)->status, 401, 'not authentic');
    is($t->accept('{"type":"order.paid"}')->status, 400, 'no key');
    ok($t->logged('-', qr/\[refused\] \[key_missing\]/), 'says so');
    is($t->accept('{')->status, 400, 'no JSON');
    is_deeply(got(), {}, 'nothing is appended');
    is(scalar(grep { /:x\z/ } $t->records), 0, 'nor recorded');
    is($t->accept(body(id => 'good'))->status, 202, 'a good one');
    is(scalar keys %{got()}, 5, 'is');
    return;
}


# a name twice, in what the location's list does not look at

sub double_names {
    my $text = body(id => 'twice') =~ s/"a":1/"a":1,"a":2/r;
    is($t->accept($text)->status, 400, 'a consumer would read one of two');
    ok($t->logged('twice', qr/\[refused\] \[json_invalid\]/), 'says so');
    is_deeply(got(), {}, 'nothing is appended, for nobody');
    is($t->accept(body(id => 'once'))->status, 202, 'a good one');
    return;
}
