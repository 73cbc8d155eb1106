#!/usr/bin/perl

# Records of two stores in one Redis do not meet, where one prefix begins with
# the other, or where both are the same; those of two hosts with the same
# configuration do.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Redis;

my $SECRET = 'a secret of many bytes 0123456789';

# two hosts, one Redis, one upstream; the second has a name of its own where
# the system lets us
my @renamed = system('unshare --uts true 2>/dev/null') == 0
    ? ('unshare', '--uts', 'sh', '-c', 'hostname plum-other; exec "$@"', 'sh')
    : ();
my $t = Test::Plum->new;
my $other = Test::Plum->new(wrapper =>
    [@renamed, split ' ', $ENV{TEST_NGINX_WRAPPER} || '']);
my $redis = Test::Plum::Redis->new(test => $t);
my $up = $t->upstream('up');
my $serial = 0;

my @PREFIXES = ('', 'p', 'p:', 'p:a:', 'p:a:a:', 'p:a');
my $stores = join '', map {
    "plum_store s$_ redis://127.0.0.1:%%PORT_redis%% prefix=$PREFIXES[$_];\n"
} 0 .. $#PREFIXES;
my $locations = join '', map {
    "location /s$_ { plum on; plum_idempotency s$_ scope=one;
        proxy_pass http://127.0.0.1:%%PORT_up%%; }\n"
} 0 .. $#PREFIXES;

my $CONF = <<"CONF";
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store same redis://127.0.0.1:%%PORT_redis%%;
    plum_store again redis://127.0.0.1:%%PORT_redis%%;
    plum_store here memory:1m;
    $stores

    plum_tls off;
    plum_allow all;
    plum_signature github secret=plum;
    plum_capture \$a a;
    plum_capture \$b b;
    plum_capture \$c c;
    plum_idempotency_key \$a \$b \$c;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name \$hostname;

        $locations
        location /gate {
            plum on;
            plum_idempotency same;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /memory {
            plum on;
            plum_idempotency here;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        server_name \$hostname;

        location /gate {
            plum on;
            plum_idempotency again;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /memory {
            plum on;
            plum_idempotency same;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF

$other->{ports}{$_} = $t->port($_) for qw(redis up);
for my $host ($t, $other) {
    $host->secret('plum', $SECRET);
    $host->write_conf($CONF);
    $host->run;
}

prefixes();
stores();
hosts();
refused();

$other->quit;
is(join("\n", $other->damage), '', 'the other nginx quits in peace');
$t->done_testing;


sub send_to {
    my ($host, $uri, $parts, $port) = @_;

    my $body = sprintf '{"a":"%s","b":"%s","c":"%s"}', @$parts;
    return $host->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => $body, port => $port || 0)->status;
}


sub forwarded {
    my ($code) = @_;

    $up->forget;
    $code->();
    return scalar(my @all = $up->requests);
}


# keys that would be one, were they put behind their prefixes as they are

sub prefixes {
    my @keys = map { [$_->[0], $_->[1], 'e' . $_->[2]] }
        (['a', 'a', 1], ['a', 'a', 2]);
    my @parts = (['a', 'a', 'a'], [':a', 'a', 'a'], ['p', 'a', 'a'],
        ['%o', 'a', 'a']);

    for my $parts (@keys, @parts) {
        is(forwarded(sub {
            for my $n (0 .. $#PREFIXES, 0 .. $#PREFIXES) {
                is(send_to($t, "/s$n", $parts), 200,
                    "@$parts: prefix '$PREFIXES[$n]'");
            }
        }), scalar @PREFIXES, "@$parts: once for each prefix");
    }

    my %seen;
    is(scalar(grep { $seen{$_}++ } $redis->keys), 0, 'all are told apart');
    like($_, qr/\A(?:p|p:|p:a|p:a:|p:a:a:)?%o[0-9a-f]{16}:[^%]/,
        "the owner follows the prefix: $_")
        for grep { !/%25|%3A/ } $redis->keys;
    return;
}


# the same names on two ports, in stores that may be one Redis, or cannot

sub stores {
    my @e = ('two', 'ports', ++$serial);
    is(forwarded(sub {
        is(send_to($t, '/gate', \@e, $_), 200, "port $_") for 0, 1, 0, 1;
    }), 2, 'the same prefix, two names of stores: kept apart');

    my ($status, $said) = $t->test_config($CONF);
    is($status, 0, 'which nginx -t takes');
    is(scalar(my @lines = $said =~ /\[warn\].*write "scope=name"/g), 1,
        'and warns of: not of a store in memory beside one in Redis')
        or diag($said);
    return;
}


# server_name $hostname is the same gate on each host

sub hosts {
    my @e = ('two', 'hosts', ++$serial);
    is(forwarded(sub {
        is(send_to($_, '/gate', \@e), 200, 'a host') for $t, $other;
    }), 1, 'hosts of one configuration share');

    @e = ('another', 'name', ++$serial);
    $other->write_conf($CONF =~ s/server_name \$hostname/server_name x/r);
    ok($other->reload, 'another first name');
    is(forwarded(sub {
        is(send_to($_, '/gate', \@e), 200, 'a host') for $t, $other;
    }), 2, 'is another gate');
    return;
}


sub refused {
    for my $prefix ('%', 'a%o', '%o0123456789abcdef:') {
        my ($status, $said) = $t->test_config(
            $CONF =~ s/prefix=p:a:a:/prefix=$prefix/r);
        isnt($status, 0, "prefix $prefix is refused");
        like($said, qr/\[emerg\] .*a prefix must not contain "%"/, 'why');
    }
    is(send_to($t, '/gate', ['good', 'one', ++$serial]), 200, 'a good one');
    return;
}
