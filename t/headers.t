#!/usr/bin/perl

# Credentials do not reach an upstream, whatever their place among the other
# headers, which all do, in their order; and modules that change headers
# afterwards find the list whole.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my $DIR = '/usr/lib/nginx/modules';
my %MODULE = (
    more => ["$DIR/ngx_http_headers_more_filter_module.so"],
    lua => ["$DIR/ndk_http_module.so", "$DIR/ngx_http_lua_module.so"],
);
my %has = map { my $name = $_;
    ($name => !grep { !-e } @{$MODULE{$name}}) } keys %MODULE;

my %CREDENTIAL = (
    'api-key' => 'x-api-key', github => 'x-hub-signature-256',
    shopify => 'x-shopify-hmac-sha256', slack => 'x-slack-signature',
    stripe => 'stripe-signature', svix => 'svix-signature',
    'standard-webhooks' => 'webhook-signature',
);

my $t = Test::Plum->new(modules =>
    [map { $has{$_} ? @{$MODULE{$_}} : () } qw(more lua)]);
my $up = $t->upstream('up');
my $other = $t->upstream('other');
my $client = $t->client(0);

$t->secret('key', $SECRET);
$t->secret('bearer', "Bearer $SECRET");
my $presets = join "\n", map { "location /$_ { plum on;"
    . " plum_signature $_ secret=key; proxy_pass http://u; }" }
    sort keys %CREDENTIAL;
$t->write_conf(<<"CONF" =~ s/^\s*#(more|lua) (.*)\n/$has{$1} ? "$2\n" : ''/gemr);
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_secret bearer %%TESTDIR%%/bearer;
    plum_allowlist id { allow id; }
    plum_allow id;
    plum_tls off;
    plum_signature api-key secret=key;
    keepalive_requests 100000;
    large_client_header_buffers 8 16k;
    upstream u { server 127.0.0.1:%%PORT_up%%; keepalive 1; }
    upstream o { server 127.0.0.1:%%PORT_other%%; keepalive 1; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_next_upstream off;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;

        location / { plum on; proxy_pass http://u; }
        $presets
        location /both {
            plum on;
            plum_signature api-key secret=key;
            plum_signature github secret=key;
            proxy_pass http://u;
        }
        location /bearer {
            plum on;
            plum_signature api-key secret=bearer header=Authorization;
            proxy_set_header X-Seen \$http_authorization;
            proxy_pass http://u;
        }
        location /agent {
            plum on;
            plum_signature api-key secret=key header=User-Agent;
            proxy_set_header X-Seen \$http_user_agent;
            proxy_pass http://u;
        }
        location /mirrored {
            plum on;
            mirror /mirror;
            proxy_pass http://u;
        }
        location = /mirror { internal; proxy_pass http://o; }

        location /fastcgi { plum on; fastcgi_pass 127.0.0.1:%%PORT_raw%%; }
        location /uwsgi { plum on; uwsgi_pass 127.0.0.1:%%PORT_raw%%; }
        location /scgi { plum on; scgi_pass 127.0.0.1:%%PORT_raw%%; }

        # before the gate
        #more location /more { plum on; more_set_input_headers "X-New: new" "X-3: three"; more_clear_input_headers X-2; proxy_pass http://u; }
        #lua location /lua { plum on; access_by_lua_block { ngx.req.set_header("X-New", "new"); ngx.req.set_header("X-3", "three"); ngx.req.clear_header("X-2") } proxy_pass http://u; }

        # after it: the first upstream fails, and a named location is next
        #more location /after-more { plum on; error_page 502 = \@more; proxy_pass http://127.0.0.1:%%PORT_dead%%; }
        #more location \@more { more_set_input_headers "X-New: new" "X-3: three" "X-Newer: newer"; more_clear_input_headers X-2; proxy_pass http://u; }
        #lua location /after-lua { plum on; error_page 502 = \@lua; proxy_pass http://127.0.0.1:%%PORT_dead%%; }
        #lua location \@lua { rewrite_by_lua_block { ngx.req.set_header("X-New", "new"); ngx.req.set_header("X-3", "three"); ngx.req.clear_header("X-2"); ngx.req.set_header("X-Newer", "newer") } proxy_pass http://u; }
    }
}
CONF
$t->run;
my @workers = $t->workers;

presets();
places();
repeated();
stale();
several();
known_headers();
mirror();
others();
http2();
changed($_) for qw(more lua);
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$t->done_testing;


# a request with these headers, in this order; what the upstream got of those
# whose names begin with X, as one string

sub send_headers {
    my ($uri, @headers) = @_;

    my $r = $client->request(method => 'POST', uri => $uri,
        body => '{"id":1,"x":2}', headers => \@headers);
    return $r->status if $r->status != 200;

    my $got = ($up->requests)[-1];
    $up->forget;
    my $leak = grep { index($_->[1], $SECRET) >= 0 } @{$got->{headers}};
    return 'leaked' if $leak || $got->{body} ne '{"id":1}';
    return join ' ', map { "$_->[0]=$_->[1]" }
        grep { $_->[0] =~ /\AX/i } @{$got->{headers}};
}


# those that a request cannot do without, as they may stand anywhere

sub framing {
    return (['host', 'localhost'], ['content-type', 'application/json'],
        ['content-length', 14]);
}


sub text { return join ' ', map { "$_->[0]=$_->[1]" } @_ }


sub presets {
    for my $scheme (sort keys %CREDENTIAL) {
        my $r = $t->deliver(client => $client, scheme => $scheme,
            secret => $SECRET, uri => "/$scheme", body => '{"id":1,"x":2}',
            headers => {'x-kept' => 'kept'});
        is($r->status, 200, "$scheme: accepted");

        my $got = ($up->requests)[-1];
        is($up->header($got, $CREDENTIAL{$scheme}), undef,
            '... its credential is gone');
        is($up->header($got, 'x-kept'), 'kept', '... nothing else');
        is($got->{body}, '{"id":1}', '... the body is the clean one');
        is($up->header($got, 'content-length'), 8, '... and its length');

        # consumers may want these
        my ($id) = map { $up->header($got, $_) } grep { defined
            $up->header($got, $_) } map { "$_-id" } qw(webhook svix);
        like($id, qr/\Amsg_/, '... the id is there') if $scheme =~ /hooks|svix/;
        ok(defined $up->header($got, 'x-slack-request-timestamp'),
            '... the time is there') if $scheme eq 'slack';
    }
    return;
}


# in every place of lists of every length: NGINX keeps 20 headers in a part

sub places {
    my @wrong;
    my $count = 0;

    for my $total (1 .. 8, 16 .. 22, 36 .. 42, 60) {
        my @others = map { ["X-$_", $_] } 1 .. $total;
        for my $place (0 .. $total + 3) {
            # in front of the framing, in it, behind it
            my @all = ((framing())[0], @others, (framing())[1, 2]);
            splice @all, $place, 0, ['x-API-key', $SECRET];
            my $got = send_headers('/', @all);
            push @wrong, "$total, $place: $got" if $got ne text(@others);
            $count++;
        }
    }
    is(join("\n", @wrong), '', "$count lists of headers");
    return;
}


sub repeated {
    for my $more (0, 15, 16, 17, 18, 19, 20) {
        my @same = map { ['X-Same', "$_"] } 1 .. 5;
        my @more = map { ["X-$_", $_] } 1 .. $more;
        my @all = (framing(), @more, @same[0, 1], ['x-api-key', $SECRET],
            @same[2 .. 4]);
        is(send_headers('/', @all), text(@more, @same),
            "repeated headers stay in order behind $more");
    }
    return;
}


# headers that speak of the old body, once or often, side by side

sub stale {
    my @stale = (['Digest', 'sha-256=x'], ['Content-MD5', 'x']);

    for my $fill (0 .. 3, 14 .. 20) {
        my @fill = map { ["X-$_", $_] } 1 .. $fill;
        my @all = (@stale, framing(), @fill, @stale, ['X-Api-Key', $SECRET],
            @stale, @stale, ['X-Last', 1]);
        is(send_headers('/', @all), text(@fill, ['X-Last', 1]),
            "stale headers around $fill others");
        is(send_headers('/', framing(), @fill, ['X-Api-Key', $SECRET], @stale),
            text(@fill), "... and last");
    }

    send_headers('/', framing(), @stale, ['x-api-key', $SECRET]);
    $client->request(method => 'POST', uri => '/', body => '{"id":1,"x":2}',
        headers => [framing(), @stale, ['x-api-key', $SECRET]]);
    my $got = ($up->requests)[-1];
    is($up->header($got, $_), undef, "$_ is gone") for qw(digest content-md5);
    return;
}


sub several {
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => '{"id":1,"x":2}');
    my ($mac) = grep { $_->[0] eq 'x-hub-signature-256' }
        @{$request{headers}};

    for my $fill (0, 1, 15 .. 19) {
        my @fill = map { ["X-$_", $_] } 1 .. $fill;
        my $key = ['x-api-key', $SECRET];
        is(send_headers('/both', @$_), text(@fill),
            "two credentials, $fill others") for
            [framing(), @fill, $key, $mac], [$mac, framing(), @fill, $key],
            [$key, $mac, framing(), @fill], [$mac, @fill, $key, framing()];
    }
    return;
}


# NGINX has pointers of its own to these

sub known_headers {
    is(send_headers('/bearer', framing(), ['X-1', 1],
        ['Authorization', "Bearer $SECRET"]), 'X-1=1',
        'Authorization, nor in its variable');
    is(send_headers('/bearer', framing(), ['Authorization', $SECRET]), 401,
        'a key without its word');
    is(send_headers('/agent', ['User-Agent', $SECRET], framing(),
        ['X-1', 1]), 'X-1=1', 'User-Agent, nor in its variable');
    return;
}


sub mirror {
    is(send_headers('/mirrored', framing(), ['X-1', 1],
        ['x-api-key', $SECRET]), 'X-1=1', 'a mirrored request');
    my ($copy) = $other->wait_for(1);
    is($copy->{body}, '{"id":1}', 'the mirror gets the clean body');
    is($other->header($copy, 'x-api-key'), undef, 'without the key');
    is($other->header($copy, 'x-1'), 1, 'with the rest');
    return;
}


# other protocols walk the same list

sub others {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $t->port('raw'), Listen => 5, ReuseAddr => 1) or die $!;

    for my $protocol (qw(fastcgi uwsgi scgi)) {
        my $sender = $t->client(0);
        $sender->request(method => 'POST', uri => "/$protocol", no_read => 1,
            body => '{"id":1,"x":2}', headers => [framing(),
                (map { ["X-$_", "value-$_"] } 1 .. 18),
                ['x-api-key', $SECRET], ['X-Last', 'last-value']]);

        my $bytes = '';
        my $peer = IO::Select->new($listen)->can_read(5) && $listen->accept;
        while ($bytes !~ /\Q{"id":1}/ && IO::Select->new($peer)->can_read(5)) {
            sysread $peer, $bytes, 65536, length $bytes or last;
        }
        close $peer;
        is($sender->read_response->status, 502, "$protocol: sent");
        like($bytes, qr/\Q{"id":1}\E/, '... the clean body');
        unlike($bytes, qr/\Q"x":2\E/, '... alone');
        unlike($bytes, qr/\Q$SECRET\E|API_KEY/, '... without the key');
        like($bytes, qr/value-18.*last-value/s, '... with the rest');
    }
    return;
}


sub http2 {
    for my $fill (0, 1, 15 .. 21, 40) {
        my @fill = map { ["x-$_", $_] } 1 .. $fill;
        my $r = $t->client('h2')->h2(method => 'POST', uri => '/',
            body => '{"id":1,"x":2}', headers => [['x-api-key', $SECRET],
                ['content-type', 'application/json'], @fill]);
        my $got = ($up->requests)[-1];
        is($r->status, 200, "HTTP/2, $fill others");
        is(text(grep { $_->[0] =~ /\Ax/ } @{$got->{headers}}), text(@fill),
            '... and they alone');
    }
    return;
}


# X-2 is cleared, X-3 set, X-New added, by a module before or after the gate

sub changed {
    my ($module) = @_;

    SKIP: {
        skip "no module for this: $module", 1 if !$has{$module};
        my @wrong;
        my $count = 0;

        for my $where ("/$module", "/after-$module") {
            for my $total (3 .. 6, 14 .. 22, 36 .. 42) {
                my @others = map { ["X-$_", $_] } 1 .. $total;
                for my $place (0 .. 3, $total - 1 .. $total + 2) {
                    my @all = (framing(), @others);
                    splice @all, $place, 0, ['x-api-key', $SECRET];
                    my $got = send_headers($where, @all);
                    push @wrong, "$where $total, $place: $got"
                        if !is_changed($got, @others);
                    $count++;
                }
            }
        }
        is(join("\n", @wrong), '', "$count lists, changed by $module");
    }
    return;
}


# modules differ in where they put a header that they set

sub is_changed {
    my ($got, @others) = @_;

    my @left = grep { !/\AX-(?:3|New|Newer)=/ } split / /, $got;
    my @kept = grep { $_->[0] !~ /\AX-[23]\z/ } @others;
    return text(@kept) eq "@left" && $got =~ /\bX-3=three\b/
        && $got =~ /\bX-New=new\b/;
}
