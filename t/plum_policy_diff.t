#!/usr/bin/perl

# plum-policy --diff: each row of the table of facts, in both directions: what
# is looser one way is tighter the other way.  And its status.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Policy qw(policy);

use Plum::Policy;
use Plum::Policy::Diff;
use Plum::Policy::Facts;
use Plum::Policy::Order;
use Plum::Policy::Paths;

my $t = Test::Plum->new;
$t->certificates;
$t->secret($_, "a secret of many bytes, $_\n") for qw(one two redis);
$t->secret('short', "few bytes\n");
my $DIR = $t->dir;

my $TEMPLATE = <<'CONF';
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    limit_req_zone $binary_remote_addr zone=req:1m rate=1r/s;
    limit_conn_zone $binary_remote_addr zone=conn:1m;
    map $http_x_a $a { default $http_x_a; }
    {secrets}
    {store}
    {lists}
    plum_queue q {
        store queued;
        {queue}
    }
    server {
        {listen}
        {server}
        location {uri} {
            {on}
            {gate}
            {signature}
            {allow}
            {records}
            {handler}
        }
        {beside}
        location = /to {
            internal;
            plum_deliver;
            {deliver}
        }
    }
}
CONF

my %PART = (
    secrets => "plum_secret s $DIR/one;",
    store => "plum_store m memory:1m;\nplum_store queued redis://127.0.0.1:1;",
    lists => 'plum_allowlist l { event_type e; allow id data.a; }'
        . "\nplum_allowlist c { allow id; }",
    queue => 'deliver c /to allow=c;',
    listen => 'listen 127.0.0.1:%%PORT_0%% ssl;',
    server => "%%TLS_SERVER%%\nserver_name a.example;\n"
        . 'ssl_protocols TLSv1.3;',
    uri => '= /in',
    on => 'plum on;',
    gate => '',
    signature => 'plum_signature stripe secret=s;',
    allow => 'plum_allow l;',
    records => 'plum_idempotency m; plum_idempotency_key $plum_body_sha256;',
    handler => 'proxy_pass http://127.0.0.1:9001;',
    beside => '',
    deliver => 'proxy_pass http://127.0.0.1:9002;',
);

my $KEY = 'plum_idempotency_key $plum_body_sha256;';
my $QUEUE = "plum_accept q; $KEY";
my $TWO = "plum_signature stripe secret=s;\nplum_signature slack secret=s;";
my $MAC = 'plum_signature hmac secret=s header=X-Sig timestamp=X-Time';

# rule, slot, the tight text, the loose one; what else both have; "=": neither
# is looser

my @CASES = (
    [mode => 'gate', '', 'plum_mode observe;'],
    [tls_minimum => 'gate', 'plum_tls TLSv1.3;', 'plum_tls TLSv1.2;'],
    [tls_minimum => 'gate', 'plum_tls TLSv1.2;', 'plum_tls off;'],
    [tls_version => 'gate', 'plum_tls TLSv1.2;',
        'plum_tls TLSv1.2 version=$a;'],
    [client_certificate => 'gate',
        'plum_tls TLSv1.2 client_certificate;', 'plum_tls TLSv1.2;'],
    [client_certificate => 'gate', 'plum_tls TLSv1.2 client_certificate;',
        'plum_tls TLSv1.2 client_certificate=$a;'],
    ['=client_certificate' => 'gate',
        'plum_tls TLSv1.2 client_certificate=$a;',
        'plum_tls TLSv1.2 client_certificate=$http_b;'],
    [ssl_protocols => 'server', $PART{server},
        $PART{server} =~ s/TLSv1.3/TLSv1.2 TLSv1.3/r],
    [listen => 'listen', $PART{listen},
        "$PART{listen}\nlisten 127.0.0.1:%%PORT_1%% ssl;"],
    [listen => 'listen', $PART{listen}, $PART{listen} =~ s/ ssl//r],
    [internal => 'gate', 'internal;', ''],
    [access => 'gate', 'allow 192.0.2.1; deny all;', ''],
    [access => 'gate', 'allow 192.0.2.1; deny all;',
        'allow 192.0.2.1; allow 192.0.2.2; deny all;'],
    [access => 'gate', 'deny 192.0.2.1; deny 192.0.2.2;',
        'deny 192.0.2.2;'],
    ['=access' => 'gate', 'allow 192.0.2.1; deny all;',
        'deny all; allow 192.0.2.1;'],
    [access_satisfy => 'gate', '', 'satisfy any;'],
    [auth_basic => 'gate', 'auth_basic a; auth_basic_user_file users;', ''],
    [auth_request => 'gate', 'auth_request /auth;', ''],
    ['=auth_request' => 'gate', 'auth_request /auth;', 'auth_request /b;'],
    [limit_req => 'gate', 'limit_req zone=req;', ''],
    [limit_conn => 'gate', 'limit_conn conn 9;', ''],
    [types => 'gate', '', 'plum_types text/plain;'],
    [max_body => 'gate', 'plum_max_body 4k;', 'plum_max_body 8k;'],

    [satisfy => 'signature', $TWO, "$TWO\nplum_satisfy any;"],
    [signatures_all => 'signature', $TWO, $PART{signature}],
    ['=signatures_all' => 'signature', $PART{signature},
        'plum_signature slack secret=s;'],
    [signatures_any => 'signature', "$TWO\nplum_satisfy any;",
        "$TWO\nplum_signature api-key secret=s;\nplum_satisfy any;"],
    [algorithm => 'signature',
        "$MAC algorithm=sha512 \"content={timestamp}.{body}\";",
        "$MAC algorithm=sha256 \"content={timestamp}.{body}\";"],
    [tolerance => 'signature', 'plum_signature stripe secret=s tolerance=1m;',
        'plum_signature stripe secret=s tolerance=2m;'],
    [tolerance => 'signature', 'plum_signature stripe secret=s tolerance=1m;',
        'plum_signature stripe secret=s tolerance=off;'],
    [covers => 'signature', "$MAC \"content={timestamp}.{uri}.{body}\";",
        "$MAC \"content={timestamp}.{body}\";"],
    ['=spelling' => 'signature', 'plum_signature github secret=s;',
        'plum_signature github secret=s prefix=a=;'],
    [secrets => 'secrets', $PART{secrets},
        "$PART{secrets}\nplum_secret s $DIR/two;"],
    [short_secrets => 'secrets', $PART{secrets}, "plum_secret s $DIR/short;"],
    ['=fingerprints' => 'secrets', $PART{secrets}, "plum_secret s $DIR/two;"],

    ['=event_type' => 'lists', $PART{lists},
        $PART{lists} =~ s/event_type e/event_type header:E/r],
    [unlisted => 'lists', $PART{lists},
        $PART{lists} =~ s/data.a;/data.a; unlisted acknowledge;/r],
    [leaves => 'lists', $PART{lists}, $PART{lists} =~ s/data.a/data.a data.b/r],
    [leaves => 'lists', $PART{lists}, $PART{lists} =~ s/data.a/data.*/r],
    [leaves => 'lists', $PART{lists} =~ s/data.a/data.*/r,
        $PART{lists} =~ s/data.a/data.**/r],
    [leaves => 'lists', $PART{lists} =~ s/data.a;/data.a for=a.x;/r,
        $PART{lists} =~ s/data.a;/data.a for=a.*;/r],
    [leaves => 'lists', $PART{lists} =~ s/data.a;/data.a for=a.*;/r,
        $PART{lists}],
    [leaves => 'allow', 'plum_allow l;', 'plum_allow all;'],
    [pseudonyms => 'lists', $PART{lists},
        $PART{lists} =~ s/data.a;/data.a; pseudonym data.b secret=s;/r],
    [gets_pseudonyms => 'lists', $PART{lists},
        $PART{lists} =~ s/\{ allow id;/{ allow id; pseudonym e secret=s;/r,
        records => $QUEUE],
    [gets => 'lists', $PART{lists},
        $PART{lists} =~ s/\{ allow id;/{ allow id data.a;/r,
        records => $QUEUE],
    [gets => 'queue', $PART{queue}, 'deliver c /to;', records => $QUEUE],
    [gets => 'queue', 'deliver c /to allow=c for=a;', $PART{queue},
        records => $QUEUE],

    [dedupe => 'records', $PART{records}, ''],
    ['=key' => 'records', $PART{records},
        $PART{records} =~ s/\$plum/a \$plum/r],
    [scope => 'records', $PART{records}, "plum_idempotency m scope=x; $KEY"],
    ['=scope' => 'records', "plum_idempotency m scope=y; $KEY",
        "plum_idempotency m scope=x; $KEY"],
    [retention => 'records', $PART{records},
        "plum_idempotency m retention=1d; $KEY"],
    [retention => 'records', $QUEUE, "plum_accept q retention=1d; $KEY"],
    ['=lease' => 'records', $PART{records},
        "plum_idempotency m lease=10s; $KEY"],
    ['=in_flight' => 'records', $PART{records},
        "plum_idempotency m in_flight=refuse; $KEY"],
    [in_doubt => 'records', "plum_idempotency m in_doubt=hold; $KEY",
        $PART{records}],
    [unavailable => 'records', $PART{records},
        "plum_idempotency m unavailable=forward; $KEY"],
    [unavailable => 'records', $QUEUE,
        "plum_accept q unavailable=forward; $KEY"],
    [success => 'records', $PART{records},
        "plum_idempotency m success=2xx,409; $KEY"],
    ['=answer' => 'records', $PART{records},
        "plum_idempotency m answer=4k; $KEY"],
    [replicas => 'records', "plum_idempotency queued wait_replicas=2; $KEY",
        "plum_idempotency queued wait_replicas=1; $KEY"],
    ['=store' => 'records', $PART{records}, "plum_idempotency queued; $KEY"],
    [store_tls => 'store', "plum_store queued rediss://192.0.2.1 "
        . "ca=$DIR/ca.crt;", 'plum_store queued redis://192.0.2.1;',
        records => $QUEUE],
    [store_password => 'store', 'plum_store queued redis://192.0.2.1 '
        . "password_file=$DIR/redis;", 'plum_store queued redis://192.0.2.1;',
        records => $QUEUE],

    ['=target' => 'handler', $PART{handler},
        'proxy_pass http://127.0.0.1:9003;'],
    [beside => 'beside', '',
        'location /b { proxy_pass http://127.0.0.1:9001; }'],
    [accepted => 'queue', $PART{queue}, "$PART{queue} accepted replicas=2;",
        records => $QUEUE],
    [accepted => 'queue', "$PART{queue} accepted replicas=2;",
        "$PART{queue} accepted replicas=1;", records => $QUEUE],
    [accepted => 'queue', "$PART{queue} accepted replicas=1;",
        "$PART{queue} accepted aof;", records => $QUEUE],
    [accepted => 'queue', "$PART{queue} accepted aof;",
        "$PART{queue} accepted memory;", records => $QUEUE],
    [consumers => 'queue', $PART{queue}, "$PART{queue} publish p keep=1d;",
        records => $QUEUE],
    [full => 'queue', $PART{queue}, 'deliver c /to allow=c full=drop;',
        records => $QUEUE],
    [keep => 'queue', "$PART{queue} publish p keep=1d;",
        "$PART{queue} publish p keep=2d;", records => $QUEUE],
    [keep => 'queue', "$PART{queue} publish p keep=1d;",
        "$PART{queue} publish p;", records => $QUEUE],
    [groups => 'queue', "$PART{queue} publish p keep=1d group=g;",
        "$PART{queue} publish p keep=1d;", records => $QUEUE],
    ['=delivered_to' => 'deliver', $PART{deliver},
        'proxy_pass http://127.0.0.1:9003;', records => $QUEUE],
    [sign => 'deliver', "plum_sign standard-webhooks secret=s;\n"
        . $PART{deliver}, $PART{deliver}, records => $QUEUE],

    [status_page => 'beside', 'location /s { plum_status; deny all; }',
        'location /s { plum_status; }', listen => 'listen %%PORT_2%% ssl;'],

    [ack => 'gate', '', 'plum_ack off;'],
    ['=ack' => 'gate', '', 'plum_ack 202;'],
    [acks => 'gate', '', 'plum_ack off for=a;'],
    ['=refuse' => 'gate', '', 'plum_refuse in_flight 503;'],
    [warnings => 'handler', $PART{handler}, ''],

    [gate => 'on', 'plum off;', 'plum on;', handler => ''],
    [gate => 'on', 'plum on;', 'plum off;'],
);

each_row();
each_case($_) for @CASES;
paths();
orders();
status();
$t->done_testing;


sub report {
    my (%part) = @_;

    my %all = (%PART, %part);
    $all{store} = "plum_store m memory:1m;\n$all{store}"
        if $all{store} !~ /plum_store m /;
    my $text = $t->expand($TEMPLATE =~ s/\{(\w+)\}/$all{$1}/gr, test => 1);
    my $file = $t->write_file('diff.conf', $text);
    return Plum::Policy::load($file, nginx => $t->{nginx}, p => "$DIR/");
}


sub each_row {
    my %row = map { $_->{id} => 1 } Plum::Policy::Facts::rows();
    my %case = map { $_->[0] =~ s/\A=//r => 1 } @CASES;
    delete $case{gate};
    is_deeply(\%case, \%row, 'each row of the table has a case');
    return;
}


sub each_case {
    my ($case) = @_;

    my ($rule, $slot, $tight, $loose, %more) = @$case;
    my $equal = $rule =~ s/\A=//;
    my ($one, $two) = map { eval { report(%more, $slot => $_) } or do {
        fail("$rule, $slot: $_");
        diag($@);
        return;
    } } $tight, $loose;

    my %want = $equal ? (changed => 'changed')
        : (looser => 'looser', tighter => 'tighter');
    for my $way (['there', $one, $two, $equal ? 'changed' : 'looser'],
        ['back', $two, $one, $equal ? 'changed' : 'tighter'])
    {
        my ($name, $old, $new, $verdict) = @$way;
        my @found = map { @$_ } values %{Plum::Policy::Diff::gates($old,
            $new)};
        my @of = grep { $_->{rule} eq $rule } @found;
        my @verdicts = map { $_->{verdict} } @of;
        ok(@of && ($rule =~ /signatures_all|listen/
            ? grep { $_ eq $verdict || $equal } @verdicts
            : !grep { $_ ne $verdict } @verdicts),
            "$rule, $name: $verdict ($loose)") or diag(explain(\@found));
        ok(!(grep { !defined $_->{at} || $_->{at} !~ /:\d+\z/ } @of),
            "$rule, $name: its place") or diag(explain(\@of))
            if $rule ne 'gate';
    }
    return;
}


# allowlists as sets

sub paths {
    my %step = ('*' => '*', '[]' => '[]', '**' => '**');
    my $path = sub { [map { $step{$_} // "=$_" } split /\./, $_[0]] };
    my @cases = (
        # one, two, does one cover two, what both let through
        ['a', 'a', 1, 'a'], ['a', 'b', 0, undef], ['a', 'a.b', 0, undef],
        ['*', 'a', 1, 'a'], ['a', '*', 0, 'a'], ['*', '[]', 0, undef],
        ['a.**', 'a.b.c', 1, 'a.b.c'], ['a.**', 'a', 1, 'a'],
        ['a', 'a.**', 0, 'a'], ['a.**', 'b.c', 0, undef],
        ['**', 'a.**', 1, 'a.**'], ['a.*.c', 'a.b.*', 0, 'a.b.c'],
        ['a.[].c', 'a.[].*', 0, 'a[].c'], ['a.*.**', 'a.b', 1, 'a.b'],
    );
    for my $case (@cases) {
        my ($one, $two, $covers, $both) = @$case;
        my ($first, $second) = map { $path->($_) } $one, $two;
        is(Plum::Policy::Paths::covers($first, $second) ? 1 : 0, $covers,
            "$one covers $two: $covers");
        for my $pair ([$first, $second], [$second, $first]) {
            my $meet = Plum::Policy::Paths::meet(@$pair);
            is($meet && Plum::Policy::Paths::spelt($meet), $both,
                "$one and $two: " . ($both // 'nothing'));
        }
    }
    is(Plum::Policy::Paths::spelt(['=a.b', '[]', '=c "d"', '**']),
        '"a.b"[]."c \"d\"".**', 'as it is written');
    return;
}


# an order is its own reverse

sub orders {
    my @cases = (['larger', 1, 'off'], ['smaller', 'for ever', 5],
        ['trust', 'connection', 'none'], ['trust', '$a', 'none'],
        ['any_or_none', 'a', 'none'], ['scope', 'its own', 'shared'],
        ['durable', 'fsync', 'replicas=9'], ['ack', 200, 'off'],
        ['more', ['a'], ['a', 'b']], ['fewer', ['a', 'b'], ['a']]);
    for my $case (@cases) {
        my ($order, $tight, $loose) = @$case;
        my $judge = sub { join ',', map { $_->{verdict} }
            Plum::Policy::Order::looser($order, @_) };
        is($judge->($tight, $loose), 'looser', "$order: $loose");
        is($judge->($loose, $tight), 'tighter', "$order: $tight");
        is($judge->($tight, $tight), '', "$order: the same");
    }
    return;
}


sub status {
    my $one = $t->path('one.json');
    my $two = $t->path('two.conf');
    my $text = $TEMPLATE =~ s/\{(\w+)\}/$PART{$1}/gr;
    $t->write_file('two.conf', $t->expand($text, test => 1));
    my (undef, $saved) = policy($t, '--json', $two);
    $t->write_file('one.json', $saved);

    my ($status, $said) = policy($t, '--diff', $one, $two);
    is($status, 0, 'no difference');
    is($said, "no difference\n", 'what is said');

    $t->write_file('two.conf', $t->expand($text
        =~ s/plum on;/plum on; plum_mode observe;/r, test => 1));
    ($status, $said) = policy($t, '--diff', $one, $two);
    is($status, 3, 'looser: a saved report, and a configuration');
    like($said, qr/\[looser\] plum_mode: enforce -> observe +\Q$two\E:\d+\n/,
        'what is said');
    ($status, $said) = policy($t, '--diff', '--markdown', $two, $one);
    is($status, 0, 'tighter');
    like($said, qr/^\| \*\*tighter\*\* plum\\_mode: observe -\\> enforce \|/m,
        'as Markdown');
    ($status, $said) = policy($t, '--diff', '--json', $one, $two);
    is($status, 3, 'as JSON');
    is(JSON::PP::decode_json($said)->{'a.example = /in'}[0]{rule}, 'mode',
        'by gate');
    return;
}
