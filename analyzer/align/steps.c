/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Steps of clocks, one after the other: the surveys of all links tell where two clocks parted, the
 * narrowest of them by how much; what either capture tells of itself, and what the others say,
 * which of the two was set. That one's times are set right, and the links surveyed anew. A step
 * that all points' clocks made at once, on one host, shows in no link, and in each capture alone.
 */
#include <limits.h>
#include <stdlib.h>

#include "align/links.h"
#include "align/survey.h"
#include "align/witness.h"
#include "base/parallel.h"

#define STEP_LEAST_NS NS_PER_MS
#define TURNS_MAX     96u
#define LEAPS_MAX     24u /* that prove to be none: then a capture is as it is */
#define ALONE_MAX     8u
#define LEAP_LEAST_NS (50 * NS_PER_MS)
#define SAME_NS       (10 * NS_PER_MS) /* two measures of one step agree within */

struct search {
    struct context *context;
    struct alignment *alignment;
    struct survey *surveys; /* count * count, by places on the path */
    bool *stale;            /* likewise */
    bool *given_up;         /* likewise: a step was tried, and its jump is still there */
    struct jump tried;      /* the last one, of survey number `tried_in` */
    unsigned tried_in;
    unsigned alone;             /* steps found in one capture alone */
    bool silent[WH_POINTS_MAX]; /* by point: with the steps known, its capture tells of no other */
};

static unsigned survey_index(const struct search *search, unsigned i, unsigned j)
{
    return i * search->context->count + j;
}

static struct link *link_at(const struct search *search, unsigned i, unsigned j)
{
    return link_of(search->context, search->alignment->order[i], search->alignment->order[j]);
}

/* ---- setting a point's times right ----------------------------------------------------------- */

static void move_samples(struct search *search, unsigned place, uint64_t from, int64_t step_ns)
{
    for (unsigned other = 0; other < search->context->count; other++) {
        if (other == place)
            continue;
        unsigned i = place < other ? place : other, j = place < other ? other : place;
        struct link *link = link_at(search, i, j);
        unsigned side = place == j;
        for (uint32_t n = 0; n < link->sample_count; n++) {
            struct sample *sample = &link->samples[n];
            sample->strange = false;
            if (sample->place[side] >= from)
                sample->ns[side] = clock_within(sample->ns[side] - step_ns, CLOCK_LIMIT_NS);
        }
        samples_set_x(link->samples, link->sample_count);
        search->stale[survey_index(search, i, j)] = true;
    }
}

static void drop_step(struct clock_steps *steps, unsigned index)
{
    steps->count--;
    for (unsigned i = index; i < steps->count; i++)
        steps->items[i] = steps->items[i + 1];
}

/* What a point's clock was set by in all, either way. */
static int64_t steps_total_ns(const struct clock_steps *steps)
{
    int64_t total_ns = 0;
    for (unsigned i = 0; i < steps->count; i++)
        total_ns += llabs(steps->items[i].step_ns);
    return total_ns;
}

/* A step at a place of the path. One that is known there already is made more exact. False when
 * the point has too many. */
static bool apply(struct search *search, unsigned place, const struct clock_step *step,
                  uint64_t before, uint64_t after)
{
    struct clock_steps *steps = &search->alignment->steps[search->alignment->order[place]];
    unsigned at = 0;
    if (steps_total_ns(steps) > CLOCK_APART_MAX_NS - llabs(step->step_ns))
        return false;
    search->silent[search->alignment->order[place]] = false;
    for (; at < steps->count; at++) {
        struct clock_step *known = &steps->items[at];
        if (known->place <= before || known->place > after)
            continue;
        known->step_ns += step->step_ns;
        move_samples(search, place, known->place, step->step_ns);
        if (llabs(known->step_ns) < STEP_LEAST_NS) {
            move_samples(search, place, known->place, -known->step_ns);
            drop_step(steps, at);
        }
        return true;
    }
    if (steps->count == CLOCK_STEPS_MAX)
        return false;
    for (at = steps->count++; at > 0 && steps->items[at - 1].place > step->place; at--)
        steps->items[at] = steps->items[at - 1];
    steps->items[at] = *step;
    move_samples(search, place, step->place, step->step_ns);
    return true;
}

/* ---- which of two ---------------------------------------------------------------------------- */

/* What speaks for one of the two having been set. */
struct suspect {
    unsigned place, point;
    int64_t step_ns; /* its step, if it was the one */
    struct stretch stretch;
    struct testimony testimony;
    unsigned confirmed, denied; /* by links with other points */
};

static bool fell(const struct suspect *suspect)
{
    int64_t passed_ns = suspect->stretch.least.passed_ns;
    return suspect->step_ns < 0 && suspect->stretch.seams && passed_ns < -OUT_OF_ORDER_NS &&
           passed_ns > suspect->step_ns - SAME_NS;
}

/* Its clock cannot have been set forward where no silence is that long. */
static bool impossible(const struct suspect *suspect)
{
    int64_t passed_ns = suspect->stretch.most.passed_ns;
    return suspect->step_ns > 0 &&
           passed_ns < suspect->step_ns - suspect->step_ns / 8 - STEP_LEAST_NS;
}

/* How far from what the senders' clocks tell, if it was set by `step_ns`. */
static int64_t misfit(const struct suspect *suspect, int64_t step_ns)
{
    return suspect->testimony.witnesses ? llabs(suspect->testimony.median_ns - step_ns) : 0;
}

static void ask_others(const struct search *search, struct suspect *suspect,
                       const struct jump *jump, unsigned side, unsigned not )
{
    for (unsigned other = 0; other < search->context->count; other++) {
        if (other == suspect->place || other == not )
            continue;
        unsigned i = suspect->place < other ? suspect->place : other;
        unsigned j = suspect->place < other ? other : suspect->place;
        unsigned own = suspect->place == j;
        const struct survey *survey = &search->surveys[survey_index(search, i, j)];
        bool agrees = false;
        for (unsigned n = 0; n < survey->count; n++) {
            const struct jump *theirs = &survey->jumps[n];
            int64_t step_ns = own ? theirs->size_ns : -theirs->size_ns;
            int64_t apart_ns = llabs(step_ns - suspect->step_ns);
            agrees |= theirs->before[own] < jump->after[side] &&
                      jump->before[side] < theirs->after[own] &&
                      (apart_ns < SAME_NS || apart_ns < llabs(suspect->step_ns) / 5);
        }
        if (link_at(search, i, j)->sample_count && !survey->hopeless)
            *(agrees ? &suspect->confirmed : &suspect->denied) += 1;
    }
}

/* The index of the one that was set. */
static unsigned choose(const struct suspect suspects[2], bool *unsure)
{
    const struct suspect *near = &suspects[0], *far = &suspects[1];
    *unsure = false;
    if (fell(near) != fell(far))
        return fell(far);
    if (impossible(near) != impossible(far))
        return impossible(near);
    int64_t if_near = misfit(near, near->step_ns) + misfit(far, 0);
    int64_t if_far = misfit(near, 0) + misfit(far, far->step_ns);
    int64_t clear_ns = llabs(far->step_ns) / 2;
    if (if_near + clear_ns < if_far)
        return 0;
    if (if_far + clear_ns < if_near)
        return 1;
    int votes = (int)near->confirmed - (int)near->denied - (int)far->confirmed + (int)far->denied;
    *unsure = votes == 0;
    return votes <= 0;
}

/* ---- one jump -------------------------------------------------------------------------------- */

/* Where in the suspect's own capture its clock was set: where its times fall; else at the place
 * that was found. A clock that was set forward was silent there for as long as the step: if it was
 * not, where the silence is longest. So is one that was set back, if another silence is far longer
 * than the one that its set clock would hide at the place. */
static struct clock_step step_of(const struct suspect *suspect, bool unsure)
{
    const struct stretch *stretch = &suspect->stretch;
    const struct seam *seam = &stretch->given;
    if (fell(suspect))
        seam = &stretch->least;
    else if (!seam->place ||
             (suspect->step_ns > 0 && seam->passed_ns < suspect->step_ns - suspect->step_ns / 8) ||
             (suspect->step_ns < 0 &&
              stretch->most.passed_ns / 2 > seam->passed_ns - suspect->step_ns))
        seam = &stretch->most;
    return (struct clock_step){.place = seam->place,
                               .step_ns = suspect->step_ns,
                               .last = seam->last,
                               .next = seam->next,
                               .unsure = unsure};
}

/* Is it the jump that the last step was to explain? Then the link is left as it is. */
static bool tried_in_vain(struct search *search, unsigned index, const struct jump *jump)
{
    bool again =
        search->tried_in == index && llabs(search->tried.size_ns - jump->size_ns) < STEP_LEAST_NS &&
        search->tried.sure[0][0] <= jump->place[0] && jump->place[0] <= search->tried.sure[0][1];
    search->tried = *jump;
    search->tried_in = index;
    search->given_up[index] |= again;
    return again;
}

/* False when memory is out. */
static bool settle_jump(struct search *search, unsigned i, unsigned j, bool *applied)
{
    const struct survey *survey = &search->surveys[survey_index(search, i, j)];
    const struct jump jump = survey->jumps[0];
    if (tried_in_vain(search, survey_index(search, i, j), &jump))
        return true;
    const struct flows *flows = search->context->flows;
    struct suspect suspects[2] = {{.place = i, .step_ns = -jump.size_ns},
                                  {.place = j, .step_ns = jump.size_ns}};
    for (unsigned side = 0; side < 2; side++) {
        struct suspect *suspect = &suspects[side];
        suspect->point = search->alignment->order[suspect->place];
        const struct clock_steps *known = &search->alignment->steps[suspect->point];
        if (!witness_stretch(flows, suspect->point, known, jump.sure[side][0], jump.sure[side][1],
                             jump.place[side], &suspect->stretch))
            return false;
        suspect->testimony =
            witness_senders(flows, suspect->point, known, jump.before[side], jump.after[side]);
        ask_others(search, suspect, &jump, side, side ? i : j);
    }
    bool unsure;
    unsigned side = choose(suspects, &unsure);
    struct clock_step step = step_of(&suspects[side], unsure);
    *applied = suspects[side].stretch.seams &&
               apply(search, suspects[side].place, &step, jump.before[side], jump.after[side]);
    search->given_up[survey_index(search, i, j)] |= !*applied;
    return true;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void survey_link(void *context, unsigned worker, uint32_t index)
{
    struct search *search = context;
    unsigned i = index / search->context->count, j = index % search->context->count;
    (void)worker;
    if (i >= j || !search->stale[index])
        return;
    struct link *link = link_at(search, i, j);
    search->stale[index] = !survey_make(&search->surveys[index], link->samples, link->sample_count);
}

/* Each link for itself; one that is stale still is a sign that memory is out. */
static bool survey_stale(struct search *search)
{
    unsigned count = search->context->count;
    parallel_run(search->context->threads, count * count, survey_link, search);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = i + 1; j < count; j++)
            if (search->stale[survey_index(search, i, j)])
                return false;
    return true;
}

/* Sizes are the more exact the narrower the corridor is, and where no drift comes in. */
static int64_t rank_of(const struct survey *survey)
{
    return survey->width_ns + (survey->slope_ppb ? NS_PER_S : 0);
}

/* The link whose corridor is the narrowest, of those with a jump that is worth the name. */
static bool narrowest_link(const struct search *search, unsigned *near, unsigned *far)
{
    int64_t least_ns = INT64_MAX;
    bool found = false;
    for (unsigned i = 0; i < search->context->count; i++)
        for (unsigned j = i + 1; j < search->context->count; j++) {
            const struct survey *survey = &search->surveys[survey_index(search, i, j)];
            if (survey->hopeless || search->given_up[survey_index(search, i, j)] ||
                survey->count == 0 || llabs(survey->jumps[0].size_ns) < STEP_LEAST_NS ||
                llabs(survey->jumps[0].size_ns) > CLOCK_APART_MAX_NS ||
                (found && rank_of(survey) >= least_ns))
                continue;
            least_ns = rank_of(survey);
            *near = i;
            *far = j;
            found = true;
        }
    return found;
}

/* Was it a step? Times that fall are one, unless the capture is out of order all over: what the
 * senders' clocks tell decides. Where times do not fall, a queue may have grown or drained: then
 * the senders at both ends must tell the same. */
static bool confirmed(const struct testimony *testimony, const struct leap *leap)
{
    int64_t apart_ns = testimony->most_ns - testimony->least_ns;
    int64_t off_ns = llabs(testimony->median_ns - leap->step_ns);
    if (leap->fell)
        return testimony->witnesses == 0 || testimony->median_ns <= leap->step_ns + SAME_NS;
    return testimony->both_ways && llabs(testimony->median_ns) > LEAP_LEAST_NS &&
           apart_ns < SAME_NS + llabs(testimony->median_ns) / 8 &&
           off_ns < llabs(leap->step_ns) / 4;
}

static bool has_flows(const struct flows *flows, unsigned point)
{
    for (uint32_t f = 0; f < flows->count; f++)
        if (flows->items[f].at[point])
            return true;
    return false;
}

/* What witness_leap says. With no step known, it was looked for when the pairs were collected: only
 * flows whose first leap lies before `from` are asked again, and a flow without any has none. */
static int next_leap(const struct search *search, unsigned point, uint64_t from, struct leap *leap)
{
    const struct first_leaps *first = &search->context->leaps[point];
    const struct clock_steps *known = &search->alignment->steps[point];
    const struct flows *flows = search->context->flows;
    if (known->count)
        return witness_leap(flows, point, known, from, search->context->threads, leap);
    struct leap *leaps = array_new(first->count, sizeof *leaps);
    if (!leaps)
        return -1;
    for (uint32_t i = 0; i < first->count; i++) {
        const struct track_flow *view = flows->items[first->flows[i]].at[point];
        if (first->items[i].before >= from)
            leaps[i] = first->items[i];
        else if (!witness_flow_leap(view, known, from, &leaps[i]))
            leaps[i].after = 0;
    }
    int found = witness_first(leaps, first->count, leap);
    free(leaps);
    return found;
}

/* The first step that the capture of a place tells by itself: 1 or 0; -1: memory is out. */
static int find_leap(struct search *search, struct suspect *suspect, struct leap *leap)
{
    const struct flows *flows = search->context->flows;
    const struct clock_steps *known = &search->alignment->steps[suspect->point];
    if (search->silent[suspect->point])
        return 0;
    leap->after = 0;
    for (unsigned i = 0; i < LEAPS_MAX; i++) {
        int found = next_leap(search, suspect->point, leap->after, leap);
        if (found < 0)
            return -1;
        if (!found)
            break;
        suspect->testimony =
            witness_senders(flows, suspect->point, known, leap->before, leap->after);
        suspect->step_ns =
            suspect->testimony.witnesses ? suspect->testimony.median_ns : leap->step_ns;
        if (confirmed(&suspect->testimony, leap))
            return 1;
    }
    search->silent[suspect->point] = true;
    return 0;
}

/* False when memory is out. */
static bool apply_leap(struct search *search, struct suspect *suspect, const struct leap *leap,
                       bool *applied)
{
    const struct clock_steps *known = &search->alignment->steps[suspect->point];
    if (!witness_stretch(search->context->flows, suspect->point, known, leap->before, leap->after,
                         0, &suspect->stretch))
        return false;
    struct clock_step step = step_of(suspect, false);
    *applied |=
        suspect->stretch.seams && apply(search, suspect->place, &step, leap->before, leap->after);
    return true;
}

/* A step that all points' clocks made at once. False when memory is out. */
static bool settle_common(struct search *search, bool *applied)
{
    unsigned count = search->context->count, seen = 0;
    struct suspect suspects[WH_POINTS_MAX] = {{0}};
    struct leap leaps[WH_POINTS_MAX];
    for (unsigned place = 0; place < count; place++) {
        struct suspect *suspect = &suspects[seen];
        *suspect = (struct suspect){.place = place, .point = search->alignment->order[place]};
        if (!has_flows(search->context->flows, suspect->point))
            continue;
        int found = find_leap(search, suspect, &leaps[seen]);
        if (found < 0)
            return false;
        if (!found || llabs(suspect->step_ns - suspects[0].step_ns) > SAME_NS)
            return true;
        seen++;
    }
    for (unsigned n = 0; n < seen; n++) {
        suspects[n].step_ns = suspects[0].step_ns; /* on one host, by the same */
        if (!apply_leap(search, &suspects[n], &leaps[n], applied))
            return false;
    }
    return true;
}

/* Where links show no jump, and the capture of one point tells of a step: the others made it too,
 * which their links with this one will show. False when memory is out. */
static bool settle_alone(struct search *search, bool *applied)
{
    for (unsigned place = 0; place < search->context->count; place++) {
        struct suspect suspect = {.place = place, .point = search->alignment->order[place]};
        struct leap leap;
        int found = search->alone == ALONE_MAX ? 0 : find_leap(search, &suspect, &leap);
        if (found < 0)
            return false;
        if (!found)
            continue;
        search->alone++;
        return apply_leap(search, &suspect, &leap, applied);
    }
    return true;
}

/* One more step; `applied` says whether there was one. */
static bool find_one(struct search *search, bool *applied)
{
    unsigned near, far;
    *applied = false;
    if (!settle_common(search, applied) || *applied)
        return *applied;
    if (!survey_stale(search))
        return false;
    while (!*applied && narrowest_link(search, &near, &far))
        if (!settle_jump(search, near, far, applied))
            return false;
    return *applied || settle_alone(search, applied);
}

bool steps_find(struct context *context, struct alignment *alignment)
{
    size_t links = (size_t)context->count * context->count + 1;
    struct search search = {context,
                            alignment,
                            calloc(links, sizeof *search.surveys),
                            calloc(links, sizeof *search.stale),
                            calloc(links, sizeof *search.given_up),
                            {0},
                            UINT_MAX,
                            0,
                            {false}};
    bool ok = search.surveys && search.stale && search.given_up, applied = true;
    for (size_t i = 0; ok && i < links; i++)
        search.stale[i] = true;
    for (unsigned turn = 0; ok && applied && turn < TURNS_MAX; turn++)
        ok = find_one(&search, &applied);
    free(search.surveys);
    free(search.stale);
    free(search.given_up);
    return ok;
}
