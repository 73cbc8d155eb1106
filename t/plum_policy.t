#!/usr/bin/perl

# Each gate of each configuration in conf/ has its report, with what is in
# force after all has been inherited; as text, Markdown and JSON.  And what
# NGINX's own modules say of a location is read back from them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Test::Plum;
use Test::Plum::Example qw(example);
use Test::Plum::Policy qw(policy policy_json findings);

my $SECRET = 'a secret of many bytes, the same for all';
my $STATIC = qr/static credential only/;
my $ANY = qr/any address may call/;

# of each file: its gates; and of each of them the store or queue, what leaves
# of any event, what is weak, and what is worth a look

my %GATES = (
    'minimal.conf' => {'events.example.com = /plum/webhook' =>
        ['events', 'id createdAt data.orderId data.orderDate '
            . 'data.deliveryStatus', [], [$ANY, $STATIC]]},
    'hardened.conf' => {'events.example.com = /plum/webhook' =>
        ['events', 'id createdAt data.orderId data.orderDate '
            . 'data.deliveryStatus', [], [$STATIC]]},
    'consumers.conf' => {'events.example.com = /plum/webhook' =>
        ['events', 'id createdAt data.orderId data.orderDate '
            . 'data.deliveryStatus', [], [$ANY, $STATIC]]},
    'behind-balancer.conf' => {'events.example.com = /plum/webhook' =>
        ['events', 'id createdAt data.orderId data.orderDate '
            . 'data.deliveryStatus', [],
            [qr/plum_tls believes \$tls_before_us/, $STATIC]]},
    'queue.conf' => {'events.example.com = /plum/webhook' =>
        ['orders', 'id createdAt data.orderId data.orderDate '
            . 'data.deliveryStatus', [], [$ANY, $STATIC]]},
    'storefront.conf' => {
        (map { ("storefront.example.com = /plum/$_" =>
            [undef, 'unique_id', [qr/plum_idempotency is off/,
            qr/plum_ack off/], [$ANY, $STATIC]]) } qw(balance profile)),
        'storefront.example.com = /plum/redemption' =>
            ['money', 'unique_id total_points_redeemed order_id order_date '
                . 'orderData[].quantity orderData[].orderAmount '
                . 'orderData[].product.productId orderData[].product.name '
                . 'orderData[].product.category orderData[].product.price',
                [qr/plum_ack off/], [$ANY, $STATIC]],
        'storefront.example.com = /plum/refund' =>
            ['money', 'unique_id order_id redemption_amount',
                [qr/plum_ack off/], [$ANY, $STATIC]]},
    'handshakes.conf' => {
        'hooks.example.com = /meta' => ['events', 'object entry.**', [],
            [qr/no timestamp/, qr/entry\.\*\* lets/]],
        'hooks.example.com = /graph' => ['events', 'value.**', [],
            [$ANY, $STATIC, qr/value\.\*\* lets/]],
        'hooks.example.com = /x' => ['events',
            'for_user_id tweet_create_events.**', [],
            [qr/no timestamp/, qr/events\.\*\* lets/]],
        'hooks.example.com = /slack' => ['events', undef, [],
            [qr/event\.\*\* lets/, qr/plum_ack off for url_verification/]]},
);

my @files = map { s{.*/}{}r } glob Test::Plum::root() . '/conf/*.conf';
is_deeply([sort keys %GATES], [sort @files], 'each file of conf/');
for my $name (sort keys %GATES) {
    subtest $name => sub { gates($name, $GATES{$name}) };
}
subtest 'what other modules say' => \&others;
subtest 'nested blocks' => \&nested;
subtest 'the command line' => \&command_line;

done_testing();


sub gates {
    my ($name, $expected) = @_;

    my $t = example($name, lines => 200, warned => qr//,
        secrets => {(map { $_ => $SECRET } qw(api-key api-key.new api-key.old
            billing-key auth-token meta graph x slack)),
            'meta-verify' => '"~verify"  1;'});
    my $conf = $t->path('nginx.conf');
    my $report = policy_json($t, $conf);
    my %weak = findings($report, 'weak');
    my %note = findings($report, 'note');
    my @pages = grep { /\Astatus page / } keys %weak;
    is_deeply([map { @$_ } delete @weak{@pages}], [], 'status pages');
    is_deeply([sort keys %weak], [sort keys %$expected], 'its gates');

    my ($status, $text) = policy($t, $conf);
    is($status, 0, 'as text');
    my (undef, $markdown) = policy($t, '--markdown', $conf);

    my %text = $text =~ /^gate\ ([^\n]*)\n=+\n(.*?)
        (?=^gate\ |^status\ page\ |\z)/xmsg;
    for my $id (sort keys %$expected) {
        my ($where, $leaves, $weak, $note) = @{$expected->{$id}};
        for ([weak => $weak, $weak{$id}], [note => $note, $note{$id}]) {
            my ($level, $want, $got) = @$_;
            is(scalar @$got, scalar @$want, "$id: $level")
                or diag(explain($got));
            for my $regex (@$want) {
                ok((grep { $_ =~ $regex && m{\A\Q$conf\E:\d+: } } @$got),
                    "$id: $level $regex");
            }
        }
        my $said = $text{$id} // '';
        like($said, qr/^    every event: \Q$leaves\E$/m, "$id: what leaves")
            if defined $leaves;
        like($said, defined $where ? qr/^    (?:store|queue) \Q$where\E[:,] /m
            : qr/^    duplicates are forwarded /m, "$id: where it goes");
        like($said, qr/^    plum on +\Q$conf\E:\d+$/m, "$id: its place");
        my $escaped = $id =~ s/([_])/\\$1/gr;
        like($markdown, qr/^## gate \Q$escaped\E$/m, "$id: as Markdown");
    }
    unlike($text . $markdown, qr/\Q$SECRET\E/, 'no secret');
    $t->done_testing;
    return;
}


sub location_of {
    my ($report, $name) = @_;

    my ($found) = grep { $_->{location} eq $name } @{$report->{gates}},
        @{$report->{beside}};
    return $found;
}


sub others {
    my $t = Test::Plum->new;
    $t->secret('key', $SECRET);
    my $report = policy_json($t, $t->write_file('others.conf', $t->expand(
        <<'CONF', test => 1)));
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_tls off;
    plum_signature github secret=key;
    plum_allow all;
    limit_req_zone $binary_remote_addr zone=req:1m rate=1r/s;
    limit_conn_zone $binary_remote_addr zone=conn:1m;
    upstream two { server 127.0.0.1:9001; server 127.0.0.1:9002; }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        allow 10.0.0.0/8;
        allow 2001:db8::/32;
        allow unix:;
        deny all;
        satisfy any;
        auth_basic closed;
        auth_basic_user_file users;
        auth_request /auth;
        limit_req zone=req;
        limit_conn conn 5;
        location /inherits { plum on; proxy_pass http://two; }
        location /own {
            plum on;
            allow 192.0.2.1;
            satisfy all;
            auth_basic off;
            auth_request off;
            fastcgi_pass 127.0.0.1:9003;
        }
        location /variable { plum on; proxy_pass http://$arg_a; }
        location /socket { uwsgi_pass unix:%%TESTDIR%%/a.sock; }
        location /grpc { grpc_pass 127.0.0.1:9005; }
        location /scgi { scgi_pass 127.0.0.1:9006; }
        location /memcached { set $memcached_key a; memcached_pass 127.0.0.1:9007; }
        location /https { proxy_pass https://127.0.0.2; }
        location /file { }
    }
}
CONF

    my $access = location_of($report, '/inherits')->{access};
    is_deeply($access, {rules => ['allow 10.0.0.0/8', 'deny 0.0.0.0/0',
        'allow 2001:db8::/32', 'deny ::/0', 'allow unix:', 'deny unix:'],
        satisfy => 'any', auth_basic => JSON::PP::true(),
        auth_request => '/auth', limit_req => 1, limit_conn => 1},
        'inherited');
    is_deeply(location_of($report, '/own')->{access},
        {rules => ['allow 192.0.2.1/32'], satisfy => 'all',
        auth_basic => JSON::PP::false(), auth_request => undef,
        limit_req => 1, limit_conn => 1}, 'replaced');

    my %target = ('/inherits' => ['proxy', '127.0.0.1:9001 127.0.0.1:9002'],
        '/own' => ['fastcgi', '127.0.0.1:9003'],
        '/socket' => ['uwsgi', $t->path('a.sock')],
        '/grpc' => ['grpc', '127.0.0.1:9005'],
        '/scgi' => ['scgi', '127.0.0.1:9006'],
        '/memcached' => ['memcached', '127.0.0.1:9007'],
        '/https' => ['proxy', '127.0.0.2:443']);
    for my $name (sort keys %target) {
        my $target = location_of($report, $name)->{target};
        is($target->{module}, $target{$name}[0], "$name: which module");
        like("@{$target->{addresses}}", qr/(?:\A|:)\Q$target{$name}[1]\E\z/,
            "$name: where to");
    }
    is_deeply(location_of($report, '/variable')->{target},
        {module => undef}, 'a target of variables');
    is(location_of($report, '/file'), undef, 'no content handler');
    $t->done_testing;
    return;
}


# what is inherited stands where it is said; blocks that change something are
# gates of their own

sub nested {
    my $t = Test::Plum->new;
    $t->secret($_, $SECRET) for qw(key other);
    my $text = <<'CONF';
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_secret other %%TESTDIR%%/other;
    plum_tls off; # tls
    plum_allow all; # allow
    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name one two;
        plum_mode observe; # mode
        location /a/ {
            plum on; # on
            plum_signature github secret=key; # outer
            proxy_pass http://127.0.0.1:9001;
            if ($arg_x) { set $y 1; }
            if ($arg_y) { proxy_pass http://127.0.0.1:9002; }
            location /a/b/ {
                plum_signature shopify secret=other; # inner
                plum_mode enforce; # own
                proxy_pass http://127.0.0.1:9001;
            }
        }
    }
}
CONF
    $text = $t->expand($text, test => 1);
    my $conf = $t->write_file('nested.conf', $text);
    my $report = policy_json($t, $conf);
    my %line;
    my $n = 0;
    for (split /\n/, $text) {
        $n++;
        $line{$1} = "$conf:$n" if / # (\w+)\z/;
    }

    is_deeply([sort keys %{$report->{found}}], ['one /a/',
        'one /a/ (a block inside)', 'one /a/b/'], 'the gates');
    my ($outer) = grep { $_->{location} eq '/a/' && !$_->{inner} }
        @{$report->{gates}};
    my $inner = location_of($report, '/a/b/');
    for my $gate ($outer, $inner) {
        is($gate->{at}, $line{on}, 'plum on');
        is($gate->{tls}{at}, $line{tls}, 'plum_tls');
        is_deeply($gate->{server}, [qw(one two)], 'names of the server');
    }
    is($inner->{allow}{at}, $line{allow}, 'plum_allow of http');
    is($outer->{mode}{at}, $line{mode}, 'plum_mode of the server');
    is($inner->{mode}{at}, $line{own}, 'plum_mode of its own');
    is($outer->{signatures}[0]{at}, $line{outer}, 'plum_signature');
    is($inner->{signatures}[0]{at}, $line{inner}, 'one of its own');
    $t->done_testing;
    return;
}


sub command_line {
    my $t = Test::Plum->new;
    my $good = $t->write_file('good.conf', $t->expand("%%GLOBALS%%\n"
        . "events {}\nhttp {\n%%HTTP_GLOBALS%%\n}\n", test => 1));
    my $bad = $t->write_file('bad.conf', "nonsense;\n");
    my $none = $t->write_file('none.conf', $t->expand("%%GLOBALS%%\n"
        . "events {}\n", test => 1));
    my $other = $t->write_file('other.json', '{"format": 2}');

    my @cases = (
        [0, qr/\AUsage: plum-policy /, '--help'],
        [0, qr/\Ano location has "plum on"\n\z/, $good],
        [1, qr/\[emerg\] .*unknown directive "nonsense" in \Q$bad\E:1/, $bad],
        [1, qr/no "http" block/, $none],
        [2, qr/cannot read .*missing/, $t->path('missing')],
        [2, qr/no policy report of format 1/, $other],
        [2, qr/one configuration is wanted/],
        [2, qr/wants an old and a new/, '--diff', $good],
        [2, qr/unknown option: nonsense/, '--nonsense', $good],
        [2, qr/exclude each other/, '--json', '--markdown', $good],
    );
    for my $case (@cases) {
        my ($status, $regex, @args) = @$case;
        my ($got, $said) = policy($t, @args);
        is($got, $status, "status: @args");
        like($said, $regex, "what is said: @args");
    }

    my ($got, $said) = policy($t, '--nginx', '/nonexistent', $good);
    is($got, 1, 'no nginx');
    like($said, qr{cannot run /nonexistent}, 'what is said');
    $t->done_testing;
    return;
}
