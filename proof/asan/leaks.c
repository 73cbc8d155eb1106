/*
 * What NGINX leaves behind by design: memory that lives as long as a worker.
 * It is a part of the program, as a worker's user need not be able to read a
 * file of this checkout.  Source: sanitizer/lsan_interface.h.
 */

const char *__lsan_default_suppressions(void);


const char *
__lsan_default_suppressions(void)
{
    return "leak:ngx_event_process_init\n"
           "leak:ngx_worker_process_init\n"
           "leak:ngx_regex_malloc\n";
}
