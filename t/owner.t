#!/usr/bin/perl

# A record belongs to a gate.  Two gates that use one store and one key do
# not see each other's events, whatever their senders write; "scope=" is the
# word that shares.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until);

my %SECRET = map { $_ => "a secret of tenant $_ 0123456789" } qw(a b);

my $t = Test::Plum->new(workers => 2);
my $up = $t->upstream('up');
my $serial = 0;

$t->secret($_, $SECRET{$_}) for sort keys %SECRET;

my $CONF = <<'CONF';
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$uri [$plum_dedupe] [$plum_key] [$plum_record]';

    plum_secret a %%TESTDIR%%/a;
    plum_secret b %%TESTDIR%%/b;
    plum_store shared memory:1m;

    plum_tls off;
    plum_allow all;
    plum_capture $id id;
    plum_capture $part part;
    plum_idempotency shared;
    plum_idempotency_key $id;
    plum_signature github secret=a;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name one.example www.one.example;
        access_log %%TESTDIR%%/access.log plum;

        location /a { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /b {
            plum on;
            plum_signature github secret=b;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /second { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location = /a/exact {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        # parts of a key, for senders that try to spell an owner
        location /parts {
            plum on;
            plum_idempotency_key $id $part;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /answer/a {
            plum on;
            plum_ack off;
            plum_idempotency shared answer=1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /answer/b {
            plum on;
            plum_ack off;
            plum_idempotency shared answer=1k;
            plum_signature github secret=b;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        # one gate, with blocks and locations inside of it
        location /nested {
            plum on;

            location /nested/inner {
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
            location /nested/own {
                plum_signature github secret=b;
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
            if ($arg_if) {
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
            limit_except PUT {
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
        }

        # one word, several gates
        location /scope/a {
            plum on;
            plum_idempotency shared scope=both;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /scope/b {
            plum on;
            plum_idempotency shared scope=both;
            plum_signature github secret=b;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /scope/c {
            plum on;
            plum_idempotency shared scope=other;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name two.example;
        access_log %%TESTDIR%%/access.log plum;

        location /a { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /renamed {
            plum on;
            plum_idempotency shared scope=both;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }

    # the same names on another port: nothing but the order tells them apart
    server {
        listen 127.0.0.1:%%PORT_1%%;
        server_name one.example;

        location /a {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;

            location /a/inner {
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
        }
    }
}
CONF

$t->write_conf($CONF);
$t->run;

tenants();
answers();
one_gate();
shared();
ports();
spelling();
variables();
reloads();
names();

$t->done_testing;


sub next_id { return 'evt_' . ++$serial }


# status of a delivery of an event to a location; more: secret of that tenant,
# host, port, part

sub send_to {
    my ($uri, $key, %more) = @_;

    my $body = defined $more{part} ? qq({"id":"$key","part":"$more{part}"})
        : qq({"id":"$key"});
    return $t->deliver(scheme => 'github',
        secret => $SECRET{$more{secret} || 'a'}, uri => $uri, body => $body,
        port => $more{port} || 0,
        headers => {host => $more{host} || 'one.example'});
}


# forwarded, each once, however often it is sent

sub apart {
    my ($what, @to) = @_;

    my $key = next_id();
    $up->forget;
    for my $to (@to, @to) {
        my ($uri, @more) = @$to;
        is(send_to($uri, $key, @more)->status, 200, "$what: $uri");
    }
    is(scalar(my @all = $up->requests), scalar @to, "$what: each its own");
    return;
}


sub together {
    my ($what, @to) = @_;

    my $key = next_id();
    $up->forget;
    for my $to (@to, @to) {
        my ($uri, @more) = @$to;
        is(send_to($uri, $key, @more)->status, 200, "$what: $uri");
    }
    is(scalar(my @all = $up->requests), 1, "$what: forwarded once");
    return;
}


sub tenants {
    apart('two secrets', ['/a'], ['/b', secret => 'b']);
    apart('two locations', ['/a'], ['/second']);
    apart('two modifiers', ['/a'], ['/a/exact']);
    apart('two servers', ['/a'], ['/a', host => 'two.example']);
    together('two names of a server', ['/a'],
        ['/a', host => 'www.one.example']);
    return;
}


# what an upstream told one tenant is not for another one

sub answers {
    my $key = next_id();
    $up->script({body => 'for a'}, {body => 'for b'});
    for my $try ('first', 'duplicate') {
        is(send_to('/answer/a', $key)->body, 'for a', "a, $try");
        is(send_to('/answer/b', $key, secret => 'b')->body, 'for b',
            "b, $try");
    }
    return;
}


sub one_gate {
    together('one gate', ['/nested'], ['/nested/inner'], ['/nested?if=1'],
        ['/nested/inner?if=1']);
    apart('other secrets', ['/nested'], ['/nested/own', secret => 'b']);
    return;
}


sub shared {
    together('a scope', ['/scope/a'], ['/scope/b', secret => 'b'],
        ['/renamed', host => 'two.example']);
    apart('two scopes', ['/scope/a'], ['/scope/c'], ['/a']);
    return;
}


sub ports {
    apart('two ports', ['/a'], ['/a', port => 1]);
    together('the gate of the second', ['/a', port => 1],
        ['/a/inner', port => 1]);

    my ($status, $said) = $t->test_config($CONF);
    is($status, 0, 'which nginx -t takes');
    is(scalar(my @lines = $said =~ /\[warn\]/g), 1, 'with one warning');
    like($said, qr/\[warn\] .*the\ same\ server_name,\ location\ and\ secrets
        .*write\ "scope=name".*\ in\ \S+config-test\.conf:\d+$/mx,
        'that says what to write');
    my ($at) = $said =~ /config-test\.conf:(\d+)$/m;
    is((split /\n/, $t->read_file('config-test.conf'))[$at - 1]
        =~ s/^\s+//r, 'plum on;', 'and where');

    ($status, $said) = $t->test_config($CONF
        =~ s/(PORT_1%%;.*?plum on;)/$1 plum_idempotency shared scope=x;/sr);
    is($status, 0, 'with it');
    unlike($said, qr/warn/, 'all is said');
    return;
}


# what stands in front of a key is not a part of it

sub spelling {
    my $lines = () = records();
    is(send_to('/a', 'seed')->status, 200, 'an event');
    my ($owner) = record_after($lines) =~ /^(.*):seed$/;
    like($owner, qr/^%o[0-9a-f]{16}$/, 'an owner');

    my ($digits) = $owner =~ /^%o(.*)/;
    for my $try (['/b', "$owner:seed", secret => 'b'],
        ['/parts', $owner, part => 'seed'],
        ['/parts', $digits, part => 'seed'], ['/parts', '%o', part => 'seed'])
    {
        my ($uri, $key, @more) = @$try;
        $up->forget;
        $lines = () = records();
        is(send_to($uri, $key, @more)->status, 200, "a key of $key");
        is(scalar(my @all = $up->requests), 1, 'is no record of another');
        isnt(record_after($lines), "$owner:seed", 'nor written like one');
    }
    return;
}


# $plum_record, of each delivery in the order of the log

sub records { return $t->read_file('access.log') =~ /\[([^\[\]]*)\]\n/g }


# that of the next one; its line is written after its answer

sub record_after {
    my ($lines) = @_;

    my @now;
    poll_until(sub { @now = records(); return @now > $lines }, 3);
    return $now[-1];
}


sub variables {
    $up->forget;
    is(send_to('/a', 'plain id')->status, 200, 'a key');
    my ($got) = $up->wait_for(1);
    my %headers = map { lc $_->[0] => $_->[1] } @{$got->{headers}};
    is($headers{'idempotency-key'}, 'plain%20id', 'the header has no owner');

    ok($t->wait_log(qr{^/a[ ]\[new\][ ]\[plain%20id\]
        [ ]\[%o[0-9a-f]{16}:plain%20id\]$}x, 3, 'access.log'),
        'nor has $plum_key; $plum_record has')
        or diag($t->read_file('access.log'));
    return;
}


sub reloads {
    my $key = next_id();
    is(send_to('/a', $key)->status, 200, 'before a reload');
    ok($t->reload, 'reloaded');
    $up->forget;
    is(send_to('/a', $key)->status, 200, 'after it');
    is(scalar(my @all = $up->requests), 0, 'it is the same record');

    # a name in front of the others is another gate; a scope stays
    my %key = map { $_ => next_id() } qw(/a /scope/a);
    is(send_to($_, $key{$_})->status, 200, $_) for sort keys %key;
    $t->write_conf($CONF =~ s/server_name one/server_name first.example one/r);
    ok($t->reload, 'with another name in front');
    $up->forget;
    is(send_to($_, $key{$_})->status, 200, $_) for sort keys %key;
    is(join(' ', map { $_->{uri} } $up->requests), '/a', 'a scope stays');
    return;
}


sub names {
    for my $case (['scope=', 'must not be empty'], ['scope=$id', 'a name of'],
        ['scope=a:b', 'a name of'], ["scope='a b'", 'a name of'])
    {
        my ($text, $want) = @$case;
        my ($status, $said) = $t->test_config(
            $CONF =~ s/scope=both/$text/r);
        isnt($status, 0, "$text is refused");
        like($said, qr/\[emerg\] invalid parameter "scope=.*$want/, 'why');
    }
    is(send_to('/a', next_id())->status, 200, 'a good one after all');
    return;
}
