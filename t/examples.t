#!/usr/bin/perl

# The configurations in conf/, each loaded as it stands but for addresses,
# ports, paths and load_module, and put to work; and the documents: that they
# name all that the code knows, and that nginx takes every fragment in them.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use JSON::PP ();

use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Example qw(example slurp);
use Test::Plum::Metrics;
use Test::Plum::Process qw(poll_until run_command);
use Test::Plum::Redis;

my $ROOT = Test::Plum::root();
my $KEY = 'Zc81Kd0qLmN4vT7xWy2RbH5j';
my $NEXT_KEY = 'Pq93fJs6AuXe1Gi8MoCn0BtV';
my $PLUM = '52.76.120.90';

# of this test, so that no two events are the same
my $serial = 18446744073709551000;

subtest 'minimal.conf' => \&minimal;
subtest 'hardened.conf' => \&hardened;
subtest 'consumers.conf' => \&consumers;
subtest 'storefront.conf' => \&storefront;
subtest 'queue.conf' => \&queue;
subtest 'behind-balancer.conf' => \&behind_balancer;
subtest 'names' => \&names;
subtest 'links' => \&links;
subtest 'fragments' => \&fragments;

done_testing();


# --- conf/

sub minimal {
    my $t = example('minimal.conf', secrets => {'api-key' => $KEY});
    my $up = $t->upstream('up8080');
    $t->run;

    my %to = (port => 'listen443', tls => 1, uri => '/plum/webhook',
        scheme => 'api-key', secret => $KEY);
    my $good = sub { accepted($t, $up, %to, body => order(), @_) };

    my $body = order();
    my $got = $good->(body => $body);
    is($got->{body}, clean_order($body), 'what was allowed, byte for byte');
    is($got->{uri}, '/events', 'where to');
    is($up->header($got, 'x-api-key'), undef, 'the key stays here');
    like($up->header($got, 'idempotency-key'),
        qr/^\d+:71930455:delivered$/, 'and the event has its own');

    not_forwarded($t, $up, 200, 'duplicate', %to, body => $body);
    my $canceled = $body =~ s/delivered/canceled/r;
    $good->(body => $canceled);

    not_forwarded($t, $up, 401, 'forged', %to, secret => $NEXT_KEY);
    $good->();
    not_forwarded($t, $up, 401, 'no key', %to,
        headers => {'x-api-key' => undef});
    $good->();
    not_forwarded($t, $up, 400, 'no JSON', %to, body => '{"id":1');
    $good->();
    not_forwarded($t, $up, 404, 'another path', %to, uri => '/plum');
    $good->();

    $up->script({status => 500});
    my $again = order();
    is($t->deliver(%to, body => $again)->status, 500, 'a consumer that fails');
    $good->(body => $again);

    like($t->wait_log(qr/refused/, 3, 'plum.log'),
        qr/ 401 refused credential_mismatch /, 'the access log');
    $t->done_testing;
    return;
}


sub hardened {
    my $t = example('hardened.conf', lines => 100,
        address => {$PLUM => '127.0.0.1'},
        secrets => {'api-key.new' => $NEXT_KEY, 'api-key.old' => $KEY});
    my $up = $t->upstream('up8080');
    $t->run;

    my %to = (port => 'listen443', tls => 1, uri => '/plum/webhook?x=1',
        scheme => 'api-key', secret => $NEXT_KEY);
    my %sender = (%to, cert => 'client');
    my $good = sub { accepted($t, $up, %sender, body => order(), @_) };

    my $body = order();
    my $got = $good->(body => $body, headers => {'x-more' => 'a'});
    is($got->{uri}, '/events', 'no arguments');
    is($got->{body}, clean_order($body), 'the clean body');
    is_deeply([sort grep { $_ ne 'connection' } map { lc $_->[0] }
        @{$got->{headers}}],
        [qw(content-length content-type host idempotency-key)],
        'no header of the sender');

    my $line = audit($t, qr/"accepted"/);
    my ($id) = $body =~ /"id": (\d+)/;
    is_deeply([@$line{qw(status verdict reason secret key dedupe tls sha256
        bytes_in bytes_out dropped upstream client)}],
        ['200', 'accepted', '', 'plum#1', "webhook:$id:71930455:delivered",
        'new', 'TLSv1.3', sha256_hex($body), length $body,
        length clean_order($body), '1', '200', 'CN=client.test'],
        'the audit line');

    $good->(secret => $KEY);
    is(audit($t, qr/plum#2/)->{verdict}, 'accepted', 'the key of before');
    $good->(version => 'TLSv1_2');
    is(audit($t, qr/TLSv1.2/)->{verdict}, 'accepted', 'TLS 1.2');

    not_forwarded($t, $up, 200, 'duplicate', %sender, body => $body);
    is(audit($t, qr/"duplicate"/)->{upstream}, '', 'a duplicate');
    not_forwarded($t, $up, 401, 'forged', %sender, secret => 'A' x 24);
    is(audit($t, qr/mismatch/)->{verdict}, 'refused', 'a refusal');
    $good->();
    not_forwarded($t, $up, 403, 'no client certificate', %to);
    is(audit($t, qr/client_cert/)->{status}, 403, 'in the audit log');
    $good->();
    not_forwarded($t, $up, 400, 'a stranger', %to, cert => 'stranger');
    $good->();
    not_forwarded($t, $up, 413, 'too large', %sender,
        body => order() . ' ' x 65536);
    $good->();

    is(deliver_from($t, '127.0.0.9', 'client', %sender), 403,
        'from elsewhere');
    is(audit($t, qr/127\.0\.0\.9/)->{verdict}, '', 'not even judged');
    $good->();

    my $m = Test::Plum::Metrics->read($t, port => 'up9145');
    is($m->value('plum_secret_matches_total', secret => 'plum#2',
        gate => 'events.example.com/plum/webhook'), 1,
        'the status page: the key of before was used once');

    rate_limit($t, sub { $good->(wait => 5) });
    $t->done_testing;
    return;
}


sub rate_limit {
    my ($t, $good) = @_;

    my $client = $t->client('listen443', tls => 1, cert => 'client');
    my ($limited) = grep { $_ == 429 } map { $client->request(
        uri => '/plum/webhook')->status } 1 .. 200;
    is($limited, 429, 'too many in a row');
    $good->();
    return;
}


# the newest matching line of the audit log, which must be JSON throughout

sub audit {
    my ($t, $regex) = @_;

    $t->wait_log($regex, 3, 'plum-audit.ndjson');
    my @lines = split /\n/, $t->read_file('plum-audit.ndjson');
    my @objects = map { eval { JSON::PP::decode_json($_) } } @lines;
    is(scalar @objects, scalar @lines, "audit log is NDJSON, for $regex");
    my ($line) = reverse grep { $_ =~ $regex } @lines;
    return defined $line ? JSON::PP::decode_json($line) : {};
}


sub consumers {
    my $t = example('consumers.conf', secrets => {'api-key' => $KEY});
    my %up = map { $_ => $t->upstream("up$_") } 8081 .. 8085;
    $t->run;

    my %to = (port => 'listen443', tls => 1, uri => '/plum/webhook',
        scheme => 'api-key', secret => $KEY);
    my @cases = (
        ['LOYAL-1', 'delivered', 8081], ['HR-7', 'canceled', 8082],
        ['PO-1', 'delivered', 8083], ['PO-2', 'Delivered', 8083],
        ['PO-3', 'canceled', 8084], ['PO-4', 'Cancelled', 8084],
        ['', 'pending', 8085], ['XLOYAL-1', 'evil.example', 8085],
    );

    my $got;
    for my $case (@cases) {
        my ($po, $status, $port) = @$case;
        my $body = order(po => $po, status => $status);
        $got = accepted($t, $up{$port}, %to, body => $body);
        is($got->{body}, clean_order($body), "\"$po\", $status");
        is($got->{uri}, '/plum', 'its path');
        not_forwarded($t, $up{$port}, 200, 'duplicate', %to, body => $body);
        $_->forget for values %up;
    }

    not_forwarded($t, $up{8083}, 401, 'forged', %to, secret => $NEXT_KEY);
    accepted($t, $up{8083}, %to, body => order());
    is(scalar(map { $_->requests } values %up), 1, 'nobody else had any');
    $t->done_testing;
    return;
}


sub queue {
    my $t = example('queue.conf', lines => 100, secrets => {'api-key' => $KEY,
        'billing-key' => 'the key of one consumer'});
    my $redis = Test::Plum::Redis->new(test => $t, name => 'up6379', aof => 'always');
    my %up = map { $_ => $t->upstream("up$_") } 8081, 8082;
    $up{8081}->stop;
    $t->run;

    my %to = (port => 'listen443', tls => 1, uri => '/plum/webhook',
        scheme => 'api-key', secret => $KEY);
    my $body = order();
    ok(poll_until(sub { deliver($t, %to, body => $body)->status == 200 }, 10),
        'accepted while a consumer is down');
    my ($got) = $up{8082}->wait_for(1);
    is($got->{uri}, '/plum', 'the other one has it at once');
    like($got->{body}, qr/\A\{"id":\d+,"data":\{"orderId":71930455,
        "deliveryStatus":"delivered"\}\}\z/x, 'its own view');

    is($redis->command('XLEN', 'plum:{orders}:s:history'), 1, 'published');
    is($redis->command('XLEN', 'plum:{orders}:s:billing'), 1,
        'what is for the first one waits');
    $up{8081}->start;
    ($got) = $up{8081}->wait_for(1, 15);
    is($got->{uri}, '/events', 'it comes back and has it');
    is($got->{body}, clean_order($body), 'all that was allowed');
    ok($up{8081}->header($got, 'Webhook-Signature'), 'signed');

    is(deliver($t, %to, body => $body)->status, 200, 'a duplicate');
    is(deliver($t, %to, body => order(), secret => $NEXT_KEY)->status, 401,
        'forged');
    $t->done_testing;
    return;
}


sub storefront {
    my $token = 'b7f0c2d94e617a3c8b55';
    my $t = example('storefront.conf', secrets => {'auth-token' => $token},
        warned => qr/\A(?:[^\n]*: replays pass [^\n]*\n?){2}\z/);
    my $up = $t->upstream('up8080');
    $t->run;

    my %to = (port => 'listen443', tls => 1, scheme => 'body-token',
        secret => $token);
    my $json = ['content-type', 'application/json; charset=utf-8'];
    my $user = qq("unique_id": "emp-00417\@example.com");
    my $who = qq({$user, "auth_token": "$token"});

    $up->on('/plum/balance', headers => [$json],
        body => '{"status":1,"data":{"points":"512"}}');
    for my $time (1 .. 2) {
        my $r = $t->deliver(%to, uri => '/plum/balance', body => $who);
        is($r->status, 200, "balance, $time");
        is($r->json->{data}{points}, '512', 'its answer');
        is(($up->requests)[-1]{body},
            '{"unique_id":"emp-00417@example.com"}', 'without the token');
    }
    is(scalar($up->requests), 2, 'a question each time');

    my $stranger = $who =~ s/$token/x$token/r;
    not_forwarded($t, $up, 401, 'another token', %to,
        uri => '/plum/profile', body => $stranger);
    accepted($t, $up, %to, uri => '/plum/profile', body => $who);
    not_forwarded($t, $up, 401, 'no JSON', %to, uri => '/plum/profile',
        body => substr $who, 1);
    accepted($t, $up, %to, uri => '/plum/profile', body => $who);

    redemption($t, $up, $json, %to, body => qq({$user, )
        . qq("auth_token": "$token", "total_points_redeemed": 512.50, )
        . q("order_id": "AB1", "orderData": [{"quantity": 1, "product": )
        . q({"productId": "28811", "price": 12.5, "more": 1}}]}));
    refund($t, $up, $json, $who, %to);
    $t->done_testing;
    return;
}


sub redemption {
    my ($t, $up, $json, %to) = @_;

    $to{uri} = '/plum/redemption';
    $up->forget->on('/plum/redemption', headers => [$json],
        body => '{"status":"1","data":{"order_id":"AB1"}}');

    my $first = $t->deliver(%to,
        headers => [['Accept-Encoding', 'gzip, br']]);
    is($first->status, 200, 'redemption');
    is($up->header(($up->requests)[-1], 'accept-encoding'), undef,
        'the answer must be plain text');
    is(($up->requests)[-1]{body}, '{"unique_id":"emp-00417@example.com",'
        . '"total_points_redeemed":512.50,"order_id":"AB1","orderData":'
        . '[{"quantity":1,"product":{"productId":"28811","price":12.5}}]}',
        'stripped');

    $up->on('/plum/redemption', status => 500);
    my $copy = not_forwarded($t, $up, 200, 'duplicate', %to);
    is($copy->body, $first->body, 'has the answer of the first');
    is($copy->header('content-type'), $first->header('content-type'),
        'and its type');

    my $other = $to{body} =~ s/AB1/AB2/r;
    is($t->deliver(%to, body => $other)->status, 500, 'a consumer that fails');
    $up->on('/plum/redemption', headers => [$json], body => '{"status":"1"}');
    is($t->deliver(%to, body => $other)->body, '{"status":"1"}',
        'and then does not');
    is(scalar($up->requests), 3, 'asked again only for that');

    not_forwarded($t, $up, 400, 'no order', %to,
        body => $to{body} =~ s/"order_id"/"order"/r);
    accepted($t, $up, %to, body => $to{body} =~ s/AB1/AB3/r);
    return;
}


sub refund {
    my ($t, $up, $json, $who, %to) = @_;

    my $answer = '{"status":"1","data":{"order_id":"AB1","points":"12"}}';
    $up->forget->on('/plum/refund', headers => [$json], body => $answer);
    my $body = sub { $who
        =~ s/\}\z/, "order_id": "$_[0]", "redemption_amount": "$_[1]"}/r };

    %to = (%to, uri => '/plum/refund');
    for my $part (['AB1', '12.5'], ['AB1', '2.5'], ['AB12', '.5']) {
        my %part = (%to, body => $body->(@$part));
        is($t->deliver(%part)->body, $answer, "refund of @$part");
        my $copy = not_forwarded($t, $up, 200, 'duplicate', %part);
        is($copy->body, $answer, 'has the answer of the first');
    }
    is(scalar($up->requests), 3, 'three refunds');
    is($up->header(($up->requests)[0], 'idempotency-key'),
        'refund:AB1:12.5', 'its key');
    return;
}


sub behind_balancer {
    my $t = example('behind-balancer.conf', secrets => {'api-key' => $KEY},
        address => {'10.0.1.0/24' => '127.0.0.1/32', $PLUM => '127.0.0.8'});
    my $up = $t->upstream('up8081');
    $t->run;

    my %head = ('x-forwarded-for' => '127.0.0.8',
        'x-forwarded-tls-version' => 'TLSv1.3');
    my %to = (port => 'listen8080', uri => '/plum/webhook',
        scheme => 'api-key', secret => $KEY, headers => \%head);
    my $good = sub { accepted($t, $up, %to, body => order(), @_) };
    my $refused = sub {
        my ($reason, %header) = @_;
        not_forwarded($t, $up, 403, $reason, %to,
            headers => {%head, %header});
        ok($t->wait_log(qr/ refused $reason /, 3, 'plum.log'),
            "reason $reason") if $reason =~ /_/;
        $good->();
    };

    my $body = order();
    is($good->(body => $body)->{body}, clean_order($body), 'the clean body');
    not_forwarded($t, $up, 200, 'duplicate', %to, body => $body);
    not_forwarded($t, $up, 401, 'forged', %to, secret => $NEXT_KEY);
    $good->();

    $refused->('tls_required', 'x-forwarded-tls-version' => undef);
    $refused->('tls_version', 'x-forwarded-tls-version' => 'TLSv1.1');
    $refused->('denied', 'x-forwarded-for' => '127.0.0.9');
    not_forwarded($t, $up, 425, 'early data', %to,
        headers => {%head, 'early-data' => 1});
    $good->();

    # not the balancer, and neither header is believed
    is(deliver_from($t, '127.0.0.9', 0, %to), 403, 'address made up');
    is(deliver_from($t, '127.0.0.8', 0, %to), 403, 'TLS made up');
    ok($t->wait_log(qr/127\.0\.0\.8 127\.0\.0\.8 403 - refused tls_required/,
        3, 'plum.log'), 'which is not believed');
    $good->();

    is($t->request(port => 'listen8080', uri => '/healthz')->status, 204,
        'health');
    $t->done_testing;
    return;
}


# --- what they share

# Plum's order-status event, and what the lists of conf/ leave of it

sub order {
    my (%opt) = (po => 'PO-1', status => 'delivered', @_);

    $serial++;
    return qq({"id": $serial, "data": {"orderId": 71930455, )
        . qq("poNumber": "$opt{po}", "orderDate": "2026-03-04 09:12:33", )
        . qq("deliveryStatus": "$opt{status}"}, )
        . qq("createdAt": "2026-03-04 09:40:02"});
}


sub clean_order {
    my ($body) = @_;

    $body =~ s/"poNumber": "[^"]*", //;
    $body =~ s/(?<=[:,]) //g;
    return $body;
}


# one delivery that gets through; the upstream's record of it.  wait: seconds
# until it does

sub accepted {
    my ($t, $up, %opt) = @_;

    my $wait = delete $opt{wait} || 0;
    my $before = $up->requests;
    my $answer;
    my $status = poll_until(sub {
        $answer = deliver($t, %opt);
        $answer->status == 200 || !$wait;
    }, $wait || 1) && $answer->status;

    is($status, 200, 'accepted');
    is($answer->body, '', 'with a bare answer') if $opt{scheme} eq 'api-key';
    my @all = $up->wait_for($before + 1);
    is(scalar @all, $before + 1, 'and forwarded');
    return $all[-1];
}


# the answer to a delivery that must not reach the upstream

sub not_forwarded {
    my ($t, $up, $status, $what, %opt) = @_;

    my $before = $up->requests;
    my $answer = deliver($t, body => order(), %opt);
    is($answer->status, $status, $what);
    is(scalar($up->requests), $before, 'and not forwarded');
    return $answer;
}


sub deliver {
    my ($t, %opt) = @_;

    my %connection = map { $_ => delete $opt{$_} }
        grep { exists $opt{$_} } qw(tls cert version port);
    my $port = delete $connection{port};
    my $client = $t->client($port, %connection);
    return $t->deliver(%opt, client => $client);
}


# the status of a delivery from another address of the loopback

sub deliver_from {
    my ($t, $address, $cert, %opt) = @_;

    my $dir = $t->dir;
    my %request = $t->signed(%opt, body => order());
    my $body = $t->write_file('from.json', $request{body});
    my $port = $t->port($opt{port});
    my @argv = ('curl', '-sS', '--noproxy', '*', '--interface', $address,
        '-o', '/dev/null', '-w', '%{http_code}', '--data-binary', "\@$body",
        map { ('-H', "$_->[0]: $_->[1]") } @{$request{headers}});
    push @argv, '--cacert', "$dir/ca.crt" if $opt{tls};
    push @argv, '--cert', "$dir/$cert.crt", '--key', "$dir/$cert.key"
        if $cert;

    my $scheme = $opt{tls} ? 'https' : 'http';
    my ($status, $said) = run_command(@argv,
        "$scheme://127.0.0.1:$port$opt{uri}");
    is($status, 0, "curl from $address") or diag($said);
    return $said;
}


# --- the documents

sub documents {
    my @docs = map { s{^\Q$ROOT\E/}{}r } glob "$ROOT/docs/*.md";
    return ('README.md', sort @docs);
}


sub names {
    my $doc = slurp('docs/DIRECTIVES.md');
    my $readme = slurp('README.md');

    my $code = slurp('ngx_plum_module/ngx_http_plum_module.c');
    my ($table) = $code =~ /ngx_command_t\s+\w+\[\] = \{(.*?)^\};/ms;
    my @directives = $table =~ /ngx_string\("(plum\w*)"\)/g;
    my @documented = $doc =~ /^### (plum\w*)$/mg;
    is_deeply([sort @documented], [sort @directives], 'directives');
    for my $name (@directives) {
        my ($section) = $doc =~ /^### $name\n(.*?)(?=^##|\z)/ms;
        for my $part ('**Syntax:**', '**Default:**', '**Context:**',
            '```nginx')
        {
            ok(index($section || '', $part) >= 0, "$name has $part");
        }
    }

    my $variables = slurp(
        'ngx_plum_module/request/ngx_http_plum_variables.c');
    my $attempt = slurp(
        'ngx_plum_module/delivery/ngx_http_plum_delivery_variables.c');
    my %names = map { $_ => 1 } $variables =~ /ngx_http_plum_var\w*\("(\w+)"/g,
        $attempt =~ /ngx_string\("(plum_\w+)"\)/g;
    my @variables = keys %names;
    is_deeply([sort $doc =~ /^\| `\$(plum_\w+)` \|/mg], [sort @variables],
        'variables');
    is_deeply([sort $readme =~ /^\| `\$(plum_\w+)` \|/mg],
        [sort @variables], 'variables of the README');

    my %reasons = slurp('include/plum_reason.h')
        =~ /X\(\w+, "(\w+)", (\d+),/g;
    is_deeply({$doc =~ /^\| `(\w+)` \| (\d{3})\b/mg}, \%reasons, 'reasons');
    is_deeply({$readme =~ /^\| `(\w+)` \| (\d{3})\b/mg}, \%reasons,
        'reasons of the README');

    my $metrics = slurp(
        'ngx_plum_module/status/ngx_http_plum_status_families.c');
    my $operations = slurp('docs/OPERATIONS.md');
    is_deeply([sort $operations =~ /^\| `(plum_\w+)` \|/mg],
        [sort $metrics =~ /^ +\{ "(plum_\w+)",/mg], 'metrics');

    words($doc);
    return;
}


# words of the tables in the code, each somewhere between backticks

sub words {
    my ($doc) = @_;

    my %table = (
        'core/plum_scheme.c' => qr/\.name = PLUM_STR\("([\w-]+)"\)/,
        'core/plum_scheme.c ' => qr/\{ PLUM_STR\("(\w+)"\), PLUM_\w+_ONLY/,
        'ngx_http_plum_conf_idempotency.c' => qr/ngx_string\("(\w+)="\)/,
        'ngx_http_plum_conf_allowlist.c' => qr/ngx_string\("(\w+)"\)/,
        'ngx_http_plum_module.c' => qr/ngx_string\("([a-z]+)"\), NGX_/,
        'runtime/ngx_plum_secret.c' => qr/ngx_string\("(\w+)"\), ngx_plum/,
        'ngx_http_plum_conf.c' => qr/ngx_string\("(\w+:)"\), ngx_plum/,
    );
    for my $file (sort keys %table) {
        my @words = slurp('ngx_plum_module/' . $file =~ s/ \z//r)
            =~ /$table{$file}/g;
        ok(scalar @words, "words of $file");
        for my $word (@words) {
            my $end = $word =~ /\w\z/ ? qr/(?![\w-])/ : qr//;
            ok($doc =~ /`(?:[^`\n]*[^\w`-])?\Q$word\E$end[^`\n]*`/,
                "\"$word\" is documented");
        }
    }
    return;
}


# links between the documents lead somewhere, paths in them exist

sub links {
    for my $name (documents()) {
        my $text = slurp($name);
        $text =~ s/^```.*?^```$//msg;

        while ($text =~ /\]\(([^)#\s]*)(?:#([^)\s]+))?\)/g) {
            my ($file, $anchor) = ($1, $2);
            next if $file =~ /^https?:/;
            my $path = $file eq '' ? $name
                : dirname($name) eq '.' ? $file : dirname($name) . "/$file";
            ok(-e "$ROOT/$path", "$name: $path") or next;
            next if !defined $anchor;
            my @anchors = map { lc(s/[^\w\s-]//gr) =~ s/ /-/gr }
                slurp($path) =~ /^#+ (.*)$/mg;
            ok((grep { $_ eq $anchor } @anchors), "$name: $file#$anchor");
        }
    }
    return;
}


# every ```nginx block begins with a comment that says where it belongs

sub fragments {
    my $t = Test::Plum->new;
    $t->certificates;
    $t->secret($_, "$KEY\n") for qw(api-key api-key.new api-key.old
        auth-token people-key redis.password);
    $t->secret('partner.whsec', "whsec_QUFBQUJCQkJDQ0NDRERERA==\n");
    $t->secret('partner.whpk', 'whpk_' . 'A' x 43 . "=\n");
    copy($t->path("server.$_"), $t->path("tls.$_")) for qw(crt key);
    copy($t->path('ca.crt'), $t->path($_)) for qw(sender-ca.crt redis-ca.crt);

    for my $name (documents()) {
        my $n = 0;
        my @blocks = slurp($name) =~ /^```nginx\n(.*?)^```$/msg;
        ok(scalar @blocks, "$name has examples")
            if $name !~ /PROTOCOL|PERFORMANCE|PROOF/;
        for my $block (@blocks) {
            $n++;
            my ($context) = $block =~ /\A# (main|http|server|location)\b/;
            ok($context, "$name, $n says where it belongs") or next;
            my ($status, $said) = $t->test_config(
                skeleton($t, $context, $block));
            is($status, 0, "$name, $n: nginx -t") or diag($said, $block);
        }
    }
    $t->done_testing;
    return;
}


# the least around a fragment; what it has of its own comes first

sub skeleton {
    my ($t, $context, $block) = @_;

    my $dir = $t->dir;
    $block =~ s{/(?:etc/nginx/plum|var/log/nginx|run)/}{$dir/}g;
    $block =~ s{^(\s*)listen (?:127\.0\.0\.1:)?(\d+)(?![\d.])}
        {$1 . 'listen 127.0.0.1:' . $t->port("listen$2")}mge;
    my $has = sub { $block =~ /^\s*$_[0]\b/m };

    if ($context eq 'main') {
        $block =~ s/^load_module .*$//mg;
        $block =~ s/^(?:user|pid|worker_processes|error_log) .*$//mg;
        $block =~ s/^http \{$/http {\n%%HTTP_GLOBALS%%/m;
        return "%%GLOBALS%%\n$block";
    }

    my $http = '';
    if ($context eq 'location') {
        $block = join "\n", 'location / {', $block,
            map({ $has->((split ' ', $_)[0]) ? () : "$_;" } 'plum on',
                'plum_signature api-key secret=plum', 'plum_allow orders',
                'proxy_pass http://127.0.0.1:9'), '}';
    }
    if ($context ne 'http') {
        $block = "server {\nlisten 127.0.0.1:%%PORT_0%% ssl;\n"
            . "%%TLS_SERVER%%\n$block\n}";
        $http = join "\n", "plum_secret plum $dir/api-key;",
            "plum_secret storefront $dir/auth-token;",
            "plum_secret partner $dir/partner.whsec encoding=whsec;",
            'plum_allowlist orders { allow id; }',
            'plum_store events memory:1m;',
            'log_format plum_audit $plum_verdict;';
    }
    return join "\n", '%%GLOBALS%%', 'events {', '}', 'http {',
        '%%HTTP_GLOBALS%%', $http, $block, '}';
}
